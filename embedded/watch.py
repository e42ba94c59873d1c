"""Watches running servers: one that dies is reported, and restarted on its ports."""

from collections.abc import Callable, Sequence
from threading import Event, Thread

from embedded.server import Server

_SECONDS_BETWEEN_LOOKS = 0.5
_LONGEST_PAUSE_SECONDS = 5.0
_ATTEMPTS_UNTIL_REPORTED = 5


class Watch:
    """A background thread that watches servers until it is stopped."""

    def __init__(self, servers: Sequence[Server], report: Callable[[str], None]) -> None:
        self._servers = servers
        self._report = report
        self._attempts: dict[Server, int] = {}
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(_SECONDS_BETWEEN_LOOKS):
            for server in self._servers:
                self._look(server)

    def _look(self, server: Server) -> None:
        attempts = self._attempts.get(server, 0)
        if not server.has_ended:
            if attempts and server.is_ready():
                self._report(f"{server.name} is running again.")
                del self._attempts[server]
            return
        if attempts == 0:
            self._report(f"{server.description_of_end()}. Starting it again ...")
        elif attempts % _ATTEMPTS_UNTIL_REPORTED == 0:
            self._report(f"{server.name} has not started in {attempts} attempts. {server.description_of_end()}.")
        self._attempts[server] = attempts + 1
        # Remaining processes of the dead server may take a moment to end.
        if not self._stopping.wait(min(attempts, _LONGEST_PAUSE_SECONDS)):
            server.relaunch()
