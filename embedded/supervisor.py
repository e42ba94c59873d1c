"""The small process between whopays and one server, so that no server outlives the process that started it.

It starts the server, then waits: when its standard input ends (its parent stopped, or was killed), or it is
terminated, it stops the server, cleanly at first, by force when that takes too long. It exits with the server's code.

It runs as a script in an isolated interpreter, and therefore imports only the standard library.
"""

import ctypes
import json
import os
import select
import signal
import struct
import subprocess
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 1, 8, 47, 2
LINUX_CAPABILITY_VERSION_3, CAP_DAC_OVERRIDE = 0x20080522, 1
_PIECE_BYTES = 4096


def main(command: list[str], stop_signals: list[tuple[int, float]], user: tuple[int, int] | None) -> int:
    """Run `command` until it ends or must be stopped, and return its exit code.

    `stop_signals` are pairs of a signal and how many seconds to wait before the next one; SIGKILL follows the last.
    With `user`, a user id and a group id, the server runs under these.
    """
    wake_up_read, wake_up_write = os.pipe()
    os.set_blocking(wake_up_write, False)
    signal.set_wakeup_fd(wake_up_write)
    told_to_stop = False

    def stop(_signal: int, _frame: object) -> None:
        nonlocal told_to_stop
        told_to_stop = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGCHLD, lambda _signal, _frame: None)

    server = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        close_fds=False,  # through them, the server holds the lock that says "a server of this folder is running"
        preexec_fn=prepare(stop_signals[0][0], user),  # noqa: PLW1509 - this process has one thread
    )
    while server.poll() is None and not told_to_stop:
        readable, _, _ = select.select([0, wake_up_read], [], [])
        if 0 in readable and not os.read(0, _PIECE_BYTES):
            told_to_stop = True
        if wake_up_read in readable:
            os.read(wake_up_read, _PIECE_BYTES)
    return end(server, stop_signals)


def end(server: subprocess.Popen[bytes], stop_signals: list[tuple[int, float]]) -> int:
    """Stop the server with increasingly strong signals, and return its exit code (128 + N if signal N ended it)."""
    for number, seconds in [*stop_signals, (int(signal.SIGKILL), 60.0)]:
        if server.poll() is None:
            server.send_signal(number)
            try:
                server.wait(seconds)
            except subprocess.TimeoutExpired:
                continue
    code = server.poll()
    return 1 if code is None else code if code >= 0 else 128 - code


def prepare(death_signal: int, user: tuple[int, int] | None) -> Callable[[], None]:
    """Return the function to run in the child process before it executes the server."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def before_the_server() -> None:
        if user is not None:
            user_id, group_id = user
            if libc is not None:
                libc.prctl(PR_SET_KEEPCAPS, 1)
            os.setgroups([])
            os.setgid(group_id)
            os.setuid(user_id)
            if libc is not None:
                # Root's folders (a home, a test's folder) are closed to others. The server gets the capability to pass
                # through them, as its parent may, so that no folder's permissions have to be relaxed for it.
                capability = 1 << CAP_DAC_OVERRIDE
                header = struct.pack("Ii", LINUX_CAPABILITY_VERSION_3, 0)
                libc.capset(header, struct.pack("6I", capability, capability, capability, 0, 0, 0))
                libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)
        if libc is not None:
            # On Linux, the server ends even when this process is killed. Must follow the change of user.
            libc.prctl(PR_SET_PDEATHSIG, death_signal)

    return before_the_server


if __name__ == "__main__":
    sys.exit(main(**json.loads(sys.argv[1])))
