"""Runs pytest in forks of an interpreter that has imported the libraries: most of a short run is spent on those.

Nothing of ours is imported before the fork, so that each run reads the changed file.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path

from tests.support.processes import DIE_WITH_PARENT, end_with_parent
from tests.support.warm import LIBRARIES

_ENDED_BY_TIME = -1
_LOOK_SECONDS = 0.05


class WarmPytest:
    """An interpreter in a folder, of which each run of pytest is a fork; it ends with whoever made it."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._output = folder.parent / f"{folder.name}.output"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.mutants.warm"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=DIE_WITH_PARENT,  # noqa: PLW1509 (as everywhere: it only makes one call of the kernel)
        )

    def run(self, arguments: Sequence[str], seconds: float) -> tuple[int | None, str]:
        """Return the exit status, None if the run did not end in time, and what it wrote."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = {"arguments": list(arguments), "output": str(self._output), "seconds": seconds}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        status = int(self._process.stdout.readline())
        said = self._output.read_text(encoding="utf-8", errors="replace")
        return (None if status == _ENDED_BY_TIME else status), said

    def close(self) -> None:
        """End it, once no run is on its way."""
        with self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()


def _serve() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _run(asked["arguments"], asked["output"])
        print(_status_of(pid, asked["seconds"]), flush=True)


def _run(arguments: list[str], output: str) -> None:
    """Run pytest in this fork, and end it; it is killed with the interpreter that it is a fork of."""
    end_with_parent()
    os.setsid()
    nothing, written = os.open(os.devnull, os.O_RDONLY), os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for descriptor, number in ((nothing, 0), (written, 1), (written, 2)):
        os.dup2(descriptor, number)
    sys.argv = ["pytest", *arguments]
    import pytest

    status = pytest.main(arguments)
    sys.stdout.flush()
    atexit._run_exitfuncs()
    os._exit(status)  # at once: to take modules apart serves nobody


def _status_of(pid: int, seconds: float) -> int:
    """Wait for a run and return its exit status; one that does not end in time is killed with all that it started."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return abs(os.waitstatus_to_exitcode(status))
        time.sleep(_LOOK_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return _ENDED_BY_TIME


if __name__ == "__main__":
    for library in ("pytest", *LIBRARIES):
        importlib.import_module(library)
    for plugin in entry_points(group="pytest11"):
        plugin.load()
    gc.freeze()
    _serve()
