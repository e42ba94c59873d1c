"""How a run is distributed over workers (pytest-xdist), and the folder that they share. A pytest plugin."""

from __future__ import annotations

import contextlib
import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.folders import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Generator

    from xdist.scheduler import LoadScopeScheduling

_OBJECTS_BETWEEN_LOOKS = 50_000
"""How many objects are made before Python looks for garbage among them: usually 700, a look at every other test."""

RUN_FOLDER = pytest.StashKey[Path]()
"""The folder of the run, in the stash of a worker's configuration."""

RUN_VARIABLE = "PYTEST_XDIST_TESTRUNUID"
"""The variable that has the same value in all workers of a run."""

_TOGETHER = ("tests/services/embedded/", "tests/console/")
"""Folders whose tests share what is expensive to prepare."""
_ON_OWN_SERVERS = frozenset(f"tests/faults/test_{name}.py" for name in ("database_busy", "disk", "servers_killed"))
"""Files whose tests share servers that they break, one after the other."""


@pytest.fixture(scope="session")
def run_folder(pytestconfig: pytest.Config) -> Path:
    """The folder that all workers of this run share."""
    return pytestconfig.stash[RUN_FOLDER]


def pytest_configure(config: pytest.Config) -> None:
    """Keep the run's folder in use from before the first test until all have ended."""
    stack = contextlib.ExitStack()
    config.stash[RUN_FOLDER] = stack.enter_context(temporary_folder(os.environ.get(RUN_VARIABLE)))
    config.add_cleanup(stack.close)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without looking for garbage, and never look at the tests again: there are thousands, and they stay."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(_OBJECTS_BETWEEN_LOOKS)
        gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    """Distribute the tests file by file, in order of their names: the longest parts come first."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return unit_of_work(nodeid)

        def _pending_of(self, workload: dict[str, dict[str, bool]]) -> int:
            # It is asked after each test, and would count all that are done again: thousands of times thousands.
            for file in [file for file, tests in workload.items() if all(tests.values())]:
                del workload[file]
            pending: int = super()._pending_of(workload)
            return pending

    config.option.loadscopereorder = False
    return ByFile(config, log)


def unit_of_work(nodeid: str) -> str:
    """Return the group of tests that one worker runs as a whole."""
    file = nodeid.partition("::")[0]
    if file in _ON_OWN_SERVERS:
        return "tests that break servers"
    return next((folder for folder in _TOGETHER if file.startswith(folder)), file)
