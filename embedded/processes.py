"""Starts a program under the supervisor, and stops it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import Signals

from embedded import supervisor
from embedded.errors import EmbeddedError

_LARGEST_LOG_BYTES = 20_000_000
_LAST_LINES = 25


@dataclass(frozen=True)
class Program:
    """What to run. `stop_signals` are pairs of a signal and how many seconds to wait before sending the next one."""

    name: str
    command: Sequence[str]
    directory: Path
    log: Path
    environment: Mapping[str, str]
    stop_signals: Sequence[tuple[Signals, float]]
    held_open: int
    """A file descriptor that the program and its children keep open while they live."""
    user: tuple[int, int] | None = None
    """User id and group id to run under; if None, the current ones."""


class Process:
    """A program under its own supervisor, which ends it when this process ends, however that happens."""

    def __init__(self, program: Program) -> None:
        self._program = program
        _rotate(program.log)
        self._log_start = program.log.stat().st_size if program.log.exists() else 0
        specification = {
            "command": list(program.command),
            "stop_signals": [[int(number), seconds] for number, seconds in program.stop_signals],
            "user": program.user,
        }
        with program.log.open("ab") as log:
            self._supervisor = subprocess.Popen(
                [sys.executable, "-I", "-S", supervisor.__file__, json.dumps(specification)],
                cwd=program.directory,
                env=dict(program.environment),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=[program.held_open],
                start_new_session=True,  # so that Ctrl-C in the terminal reaches only the parent
            )

    @property
    def supervisor_id(self) -> int:
        """The process id of the supervisor, whose only child the program is."""
        return self._supervisor.pid

    def exit_code(self) -> int | None:
        """Return the program's exit code, or None while it runs."""
        return self._supervisor.poll()

    def run_to_end(self, seconds: float) -> None:
        """Wait for a program that ends on its own.

        Raises `EmbeddedError` when it fails or takes longer than `seconds`.
        """
        try:
            code = self._supervisor.wait(seconds)
        except subprocess.TimeoutExpired:
            self.stop()
            raise self.failure(f"has not finished within {seconds:.0f} seconds") from None
        self.stop()
        if code != 0:
            raise self.failure(f"failed (exit code {code})")

    def ask_to_stop(self) -> None:
        """Start a clean stop without waiting for it."""
        if self._supervisor.stdin is not None:
            self._supervisor.stdin.close()

    def stop(self) -> None:
        """Stop the program and wait until it has ended."""
        self.ask_to_stop()
        self._supervisor.wait()

    def output(self) -> str:
        """Return what the program has written to its log since it was started."""
        if not self._program.log.exists():
            return ""
        with self._program.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode("utf-8", "replace")

    def description_of_end(self) -> str:
        """Say with which exit code the program ended, and where its log is."""
        return f"{self._program.name} has ended (exit code {self.exit_code()}; its log is {self._program.log})"

    def failure(self, what: str) -> EmbeddedError:
        """Return an error that says what happened, where the log is, and what its last lines are."""
        lines = self.output().rstrip().splitlines()[-_LAST_LINES:]
        shown = "\n".join(f"    {line}" for line in lines) or "    (nothing was written)"
        return EmbeddedError(f"{self._program.name} {what}. The end of its log, {self._program.log}:\n{shown}")


def clean_environment(*, without_prefixes: Sequence[str]) -> dict[str, str]:
    """Return this process's environment without the variables that would change how a server behaves."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(tuple(without_prefixes))}
    return kept | {"LC_ALL": "C.UTF-8"}


def _rotate(log: Path) -> None:
    if log.exists() and log.stat().st_size > _LARGEST_LOG_BYTES:
        log.replace(log.with_name(log.name + ".1"))
