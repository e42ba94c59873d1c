"""Starts processes from an interpreter that has imported what they need: most of a start is spent on that.

What such a process runs is `python -m module`. The command line comes from an interpreter that has imported what `run`
and `serve` need; everything else from one that has imported the libraries alone, so that failpoints and mutants can
change what is ours before it is imported.

    tests ── one connection a process ──> a warm interpreter ── fork ──> a guardian ── fork ──> the process

The guardian says its number, waits for it, and says how it ended, and what it took of the processors.
"""

import asyncio
import atexit
import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from runpy import run_module

from tests.support.processes import DIE_WITH_PARENT, end_with_parent

LIBRARIES = (
    "aiokafka", "asyncpg", "cryptography.hazmat.primitives.ciphers.aead", "email_validator", "faststream.kafka",
    "iso4217", "opentelemetry.trace", "orjson", "prometheus_client", "pycountry", "pydantic_settings", "rich.markdown",
    "sqlalchemy.dialects.postgresql.asyncpg", "sqlalchemy.ext.asyncio", "structlog.dev", "typer.rich_utils",
)  # fmt: skip
_COMMAND_LINE = "cli"
_OF_THE_COMMAND_LINE = ("cli.operating.commands", "cli.operating.running", "cli.operating.serving", "service.serving")
spent: list[float] = []
"""What each process that has ended took of the processors, in seconds."""

_LARGEST = 200_000
_FIRST_OF_OTHERS, _LAST_OF_OTHERS = 3, 64


class WarmProcess:
    """A process that was started so: what tests use of `asyncio.subprocess.Process`."""

    def __init__(
        self,
        pid: int,
        stdout: asyncio.StreamReader,
        stderr: asyncio.StreamReader,
        guardian: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self.pid = pid
        self.stdout = stdout
        self.stderr = stderr
        self.returncode: int | None = None
        self._ending = asyncio.create_task(self._end(*guardian))

    async def wait(self) -> int:
        """Wait until it has ended, and return its exit status: negative for a signal."""
        return await asyncio.shield(self._ending)

    def send_signal(self, number: int) -> None:
        """Send it a signal. Raises ProcessLookupError once it is known to have ended."""
        if self.returncode is not None:
            raise ProcessLookupError
        os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    async def _end(self, guardian: asyncio.StreamReader, connection: asyncio.StreamWriter) -> int:
        status, _, cpu_seconds = (await guardian.readline()).decode().partition(" ")
        self.returncode = int(status or -signal.SIGKILL)
        spent.append(float(cpu_seconds or 0))
        connection.close()
        return self.returncode


async def start_warm(module: str, arguments: Sequence[str], environment: Mapping[str, str]) -> WarmProcess:
    """Start `python -m module arguments`, with nothing to read; what it writes can be read."""
    imported = (*LIBRARIES, *_OF_THE_COMMAND_LINE) if module == _COMMAND_LINE else LIBRARIES
    if imported not in _interpreters:
        _interpreters[imported] = _WarmInterpreter(imported)
        atexit.register(_interpreters[imported].close)
    return await _interpreters[imported].start(module, arguments, environment)


class _WarmInterpreter:
    """An interpreter with some modules, from which processes are forked; it ends with whoever made it."""

    def __init__(self, imported: Sequence[str]) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LARGEST)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.warm", str(theirs.fileno()), *imported],
                pass_fds=[theirs.fileno()],
                preexec_fn=DIE_WITH_PARENT,  # noqa: PLW1509 (as everywhere: it only makes one call of the kernel)
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )

    async def start(self, module: str, arguments: Sequence[str], environment: Mapping[str, str]) -> WarmProcess:
        """Have it forked."""
        ours, theirs = socket.socketpair()
        (stdout, to_stdout), (stderr, to_stderr) = os.pipe(), os.pipe()
        try:
            asked = json.dumps([module, list(arguments), dict(environment), str(Path.cwd())]).encode()
            socket.send_fds(self._control, [asked], [theirs.fileno(), to_stdout, to_stderr])
        finally:
            theirs.close()
            os.close(to_stdout)
            os.close(to_stderr)
        guardian, connection = await asyncio.open_connection(sock=ours)
        readers = await _reader_of(stdout), await _reader_of(stderr)
        return WarmProcess(int(await guardian.readline()), *readers, (guardian, connection))

    def close(self) -> None:
        """End it."""
        self._control.close()
        self._process.wait()


async def _reader_of(descriptor: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(descriptor, "rb"))
    return reader


_interpreters: dict[Sequence[str], _WarmInterpreter] = {}
"""By what each has imported."""


def _serve(control: socket.socket) -> str | None:
    """Fork a process for each request; return in it the module to run, and None when nobody asks any more."""
    while True:
        asked, descriptors, _, _ = socket.recv_fds(control, _LARGEST, 3)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        if not asked:
            with contextlib.suppress(ChildProcessError):
                os.wait()
            return None
        if os.fork() == 0:
            module, arguments, environment, folder = json.loads(asked)
            if _guard(*descriptors):
                os.closerange(_FIRST_OF_OTHERS, _LAST_OF_OTHERS)
                os.chdir(folder)
                os.environ.clear()
                os.environ.update(environment)
                time.tzset()
                sys.argv = [module, *arguments]
                return str(module)
        for descriptor in descriptors:
            os.close(descriptor)


def _guard(answer: int, stdout: int, stderr: int) -> bool:
    """Return in a process of its own; its guardian ends here, when it has said how that process ended."""
    end_with_parent()
    pid = os.fork()
    if pid == 0:
        end_with_parent()
        os.dup2(stdout, sys.stdout.fileno())
        os.dup2(stderr, sys.stderr.fileno())
        return True
    os.close(stdout)
    os.close(stderr)
    os.write(answer, f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    times = os.times()
    with contextlib.suppress(BrokenPipeError):
        took = times.children_user + times.children_system
        os.write(answer, f"{os.waitstatus_to_exitcode(status)} {took}\n".encode())
    os._exit(0)


if __name__ == "__main__":
    for name in sys.argv[2:]:
        importlib.import_module(name)
    gc.freeze()
    wanted = _serve(socket.socket(fileno=int(sys.argv[1])))
    if wanted is not None:
        run_module(wanted, run_name="__main__", alter_sys=True)
