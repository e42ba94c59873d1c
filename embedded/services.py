"""Starts and stops both servers together."""

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from embedded.data_folder import DataFolder
from embedded.errors import EmbeddedError
from embedded.kafka import Kafka
from embedded.kafka_security import KafkaSecurity
from embedded.postgresql import PostgreSQL
from embedded.processes import Process
from embedded.server import Server
from embedded.watch import Watch

_SECONDS_TO_PREPARE = 120.0


@dataclass(frozen=True)
class Addresses:
    """The addresses of the running servers."""

    database_url: str
    """For SQLAlchemy with asyncpg; it contains the password."""
    kafka_bootstrap_servers: str
    """`host:port`."""
    kafka_security: KafkaSecurity | None = None
    """The users and certificates of a secure broker."""


def _print_to_standard_error(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


class EmbeddedServices:
    """PostgreSQL and Apache Kafka in one data folder.

    They end with the process that started them, however it ends. The data stays: the next start continues with it, on
    the same ports if these are still free.
    """

    def __init__(
        self,
        data_directory: Path,
        *,
        report: Callable[[str], None] = _print_to_standard_error,
        durable: bool = True,
        for_load: bool = False,
        postgresql_settings: Mapping[str, str] | None = None,
        kafka_settings: Mapping[str, str] | None = None,
        kafka_users: Iterable[str] | None = None,
    ) -> None:
        """Take the folder (created if missing), and a function that reports slow steps.

        Without `durable`, PostgreSQL does not wait for the disk: right for tests, whose data need not survive a crash
        of the machine. With `for_load`, Java's optimising compiler is enabled for Kafka: right for benchmarks. The
        settings are PostgreSQL's and the broker's own, by name, and override those of this package.
        With `kafka_users`, the broker is secure, and these are its users: see `kafka_security`.
        """
        self._folder = DataFolder(data_directory, report)
        self._postgresql = PostgreSQL(self._folder, durable=durable, settings=postgresql_settings or {})
        self._kafka_security = None if kafka_users is None else KafkaSecurity(self._folder.path, kafka_users)
        self._kafka = Kafka(
            self._folder,
            settings=kafka_settings or {},
            report=report,
            security=self._kafka_security,
            for_load=for_load,
        )
        self._servers: tuple[Server, Server] = (self._postgresql, self._kafka)
        self._addresses: Addresses | None = None
        self._report = report
        self._watch: Watch | None = None

    def start(self) -> Addresses:
        """Start both servers unless they run, wait until they answer, and return their addresses.

        Raises `EmbeddedError`, and leaves nothing running then.
        """
        if self._addresses is None:
            try:
                self._addresses = self._start()
            except OSError as error:
                self.stop()
                raise EmbeddedError(f"The servers in {self._folder.path} cannot be started: {error}") from error
            except BaseException:
                self.stop()
                raise
        return self._addresses

    def halt_kafka(self) -> None:
        """Stop the running broker, as if it had failed; it stays down unless it is watched."""
        self._kafka.stop()

    def resume_kafka(self) -> None:
        """Restart the stopped broker, at its address and with its data, and wait until it answers."""
        self._kafka.relaunch()
        self._kafka.wait_until_ready()

    def watch(self) -> None:
        """When a running server dies, report it and restart it at the same address, until the servers are stopped."""
        if self._watch is None:
            self._watch = Watch(self._servers, self._report)

    def stop(self) -> None:
        """Stop both servers cleanly, wait until they have ended, release the folder. Harmless when not started."""
        if self._watch is not None:
            self._watch.stop()
            self._watch = None
        for server in self._servers:
            server.ask_to_stop()
        for server in self._servers:
            server.stop()
        self._addresses = None
        self._folder.release()

    @staticmethod
    def reset(data_directory: Path, *, report: Callable[[str], None] = _print_to_standard_error) -> None:
        """Delete everything in the folder, if it exists.

        Raises `EmbeddedError` when it is in use by another process or was not made by this package.
        """
        folder = DataFolder(data_directory, report)
        if not folder.path.exists():
            return
        try:
            folder.acquire()
            folder.empty()
        except OSError as error:
            raise EmbeddedError(f"{folder.path} cannot be emptied: {error}") from error
        finally:
            folder.release()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self) -> Addresses:
        self._folder.acquire()
        self._folder.check_space()
        self._kafka.fetch_libraries()
        self._prepare()
        for server in self._servers:
            server.launch()
        self._postgresql.wait_until_ready()
        self._postgresql.create_database()
        self._kafka.wait_until_ready()
        return Addresses(self._postgresql.database_url, self._kafka.bootstrap_servers, self._kafka_security)

    def _prepare(self) -> None:
        preparing: list[tuple[Server, Process]] = []
        try:
            for server in self._servers:
                program = server.preparation()
                if program is not None:
                    preparing.append((server, Process(program)))
            for server, process in preparing:
                process.run_to_end(_SECONDS_TO_PREPARE)
                server.prepared()
        finally:
            for _, process in preparing:
                process.stop()
