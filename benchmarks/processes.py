"""The measured processes: started, held still while their topic is filled, let go, stopped."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import BinaryIO

import psutil

from benchmarks.failures import BenchmarkFailed
from benchmarks.installations import environment_of
from workers.runtime.roles import Role
from workers.runtime.settings import Settings

_STARTED = b'started"'
_SECONDS_TO_START = 60.0
_SECONDS_TO_STOP = 20.0
_SHOWN_BYTES = 4000


@dataclass(frozen=True)
class Program:
    """A running process with its log."""

    name: str
    process: psutil.Popen
    log: BinaryIO

    def hold(self) -> None:
        """Stop it where it stands (SIGSTOP)."""
        self.process.suspend()

    def let_go(self) -> None:
        """Let it go on (SIGCONT)."""
        self.process.resume()

    def check(self) -> None:
        """Raise BenchmarkFailed, with the end of its log, when it has ended."""
        if self.process.poll() is not None:
            raise BenchmarkFailed(f"{self.name} ended. {self.last_words()}")

    def last_words(self) -> str:
        """Return the end of its log."""
        return f"The end of the log of {self.name}:\n{self._written()[-_SHOWN_BYTES:].decode(errors='replace')}"

    def wait_until_said(self, words: bytes = _STARTED) -> None:
        """Wait for a log line that says so. Raises BenchmarkFailed."""
        deadline = time.monotonic() + _SECONDS_TO_START
        while words not in self._written():
            self.check()
            if time.monotonic() > deadline:
                raise BenchmarkFailed(f"{self.name} has not said {words.decode()}. {self.last_words()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it (SIGTERM, by force when that takes too long) and wait."""
        self.process.resume()
        self.process.terminate()
        try:
            self.process.wait(_SECONDS_TO_STOP)
        except psutil.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _written(self) -> bytes:
        self.log.seek(0)
        return self.log.read()


@contextmanager
def started(name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> Iterator[Program]:
    """Run the interpreter with these arguments until the context ends; it says `started` when it has."""
    with tempfile.TemporaryFile(prefix="whopays-bench-") as log:
        with open(log.fileno(), "ab", closefd=False) as stderr:
            process = psutil.Popen(
                [sys.executable, *arguments],
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )
        program = Program(name, process, log)
        try:
            program.wait_until_said()
            yield program
        finally:
            if process.poll() is None:
                program.stop()


def check_of(programs: Sequence[Program]) -> Callable[[], None]:
    """Return a function that raises BenchmarkFailed when one of the programs has ended."""

    def check() -> None:
        for program in programs:
            program.check()

    return check


@contextmanager
def whopays(
    settings: Settings, *processes: Sequence[Role], changed: Mapping[str, str] | None = None
) -> Iterator[list[Program]]:
    """Run `whopays run`, one process for each group of roles; `changed` is what its environment has otherwise."""
    with ExitStack() as stack:
        programs: list[Program] = []
        for roles in processes:
            name = " and ".join(roles)
            same = sum(program.name.startswith(name) for program in programs)
            programs.append(
                stack.enter_context(
                    started(
                        f"{name} {same + 1}" if same else name,
                        ["-m", "cli", "run", *(part for role in roles for part in ("--only", str(role)))],
                        environment_of(settings) | dict(changed or {}),
                    )
                )
            )
        yield programs
