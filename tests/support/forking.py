"""Tests side by side in copies of the process that has collected them: `pytest --forks 2`. A pytest plugin.

Thousands of tests that take a millisecond each cost pytest-xdist more than they take: each of its workers collects them
all, and tells of each one by itself. Here a process collects, then forks; its copies take one file after the other, and
tell of a whole file at once.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from itertools import groupby, pairwise
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.support.processes import end_with_parent
from tests.support.reporting import NAME, Reporting, cpu_seconds
from tests.support.sharing import unit_of_work

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkProcess
    from multiprocessing.queues import SimpleQueue

    Files = Sequence[Sequence[pytest.Item]]
    Told = tuple[str, dict[str, Any]]

_FIRST = ("tests/unit/simulation/", "tests/unit/deploy/test_alerts.py")
"""What takes longest: were it the last, one copy would be alone with it."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the number of copies."""
    parser.addoption("--forks", type=int, default=0, help="Run files side by side, in so many copies of this process.")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Run all tests in copies of this process, where that is asked for."""
    copies = session.config.getoption("forks")
    if not copies or session.config.option.collectonly or session.testsfailed:
        return None
    files = [list(items) for _, items in groupby(session.items, lambda item: unit_of_work(item.nodeid))]
    files.sort(key=lambda items: not items[0].nodeid.startswith(_FIRST))
    context = multiprocessing.get_context("fork")
    to_do: SimpleQueue[int | None] = context.SimpleQueue()
    for number in [*range(len(files)), *[None] * copies]:
        to_do.put(number)
    running: dict[Connection, ForkProcess] = {}
    try:
        for _ in range(copies):
            here, there = context.Pipe(duplex=False)
            running[here] = context.Process(target=_work, args=(session, files, to_do, there))
            running[here].start()
            there.close()
        _listen(session, running)
    finally:
        for connection, process in running.items():
            connection.close()
            with contextlib.suppress(ProcessLookupError):
                os.kill(cast("int", process.pid), signal.SIGINT)
            process.join()
    return True


def _listen(session: pytest.Session, running: dict[Connection, ForkProcess]) -> None:
    """Take in what the copies tell, until all have ended."""
    while running:
        for one in wait(list(running)):
            connection = cast("Connection", one)
            try:
                told: list[Told] | dict[str, float] = connection.recv()
            except EOFError:
                process = running.pop(connection)
                process.join()
                raise session.Interrupted(f"a process that ran tests ended with {process.exitcode}") from None
            if isinstance(told, dict):
                _reporting(session.config).add(told)
                running.pop(connection).join()
                continue
            for hook, arguments in told:
                _tell(session.config, hook, arguments)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)


def _tell(config: pytest.Config, hook: str, arguments: dict[str, Any]) -> None:
    if hook == "pytest_runtest_logreport":
        arguments = {"report": config.hook.pytest_report_from_serializable(config=config, data=arguments)}
    getattr(config.hook, hook)(**arguments)


class _Telling:
    """Notes, in a copy, what the process that shows it is to hear."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.told: list[Told] = []

    def pytest_runtest_logstart(self, nodeid: str, location: tuple[str, int | None, str]) -> None:
        """Note that a test begins."""
        self.told.append(("pytest_runtest_logstart", {"nodeid": nodeid, "location": location}))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the outcome of one phase of a test."""
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self.told.append(("pytest_runtest_logreport", data))

    def pytest_runtest_logfinish(self, nodeid: str, location: tuple[str, int | None, str]) -> None:
        """Note that a test has ended."""
        self.told.append(("pytest_runtest_logfinish", {"nodeid": nodeid, "location": location}))


def _work(session: pytest.Session, files: Files, to_do: SimpleQueue[int | None], connection: Connection) -> None:
    """Run file after file, in a copy."""
    end_with_parent()
    plugins = session.config.pluginmanager
    plugins.unregister(name="terminalreporter")
    capture: Any = plugins.getplugin("capturemanager")
    # Output goes to a file, whose place copies would share.
    capture.stop_global_capturing()
    capture.start_global_capturing()
    telling = _Telling(session.config)
    plugins.register(telling)
    try:
        number = to_do.get()
        while number is not None:
            following = to_do.get()
            # What a file shares with the next is kept until then.
            next_file = [None] if following is None else files[following][:1]
            for item, next_item in pairwise([*files[number], *next_file]):
                session.config.hook.pytest_runtest_protocol(item=item, nextitem=next_item)
                if session.shouldfail:
                    break
            connection.send(telling.told)
            telling.told = []
            number = None if session.shouldfail else following
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    session._setupstate.teardown_exact(None)
    with contextlib.suppress(OSError):  # nobody may listen any more
        connection.send(cpu_seconds(session.config))


def _reporting(config: pytest.Config) -> Reporting:
    return cast("Reporting", config.pluginmanager.getplugin(NAME))
