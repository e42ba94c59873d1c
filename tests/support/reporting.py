"""What a run says at its end: how long each part took, and what its tests measured. A pytest plugin."""

import os
import time
from collections import Counter, defaultdict
from collections.abc import Generator
from typing import Any

import pytest

from tests.support import warm

RECOVERY, DEATH = "recovery", "death"
"""Names of test properties, each a pair, that are shown in tables of their own."""

SERVERS_CPU_SECONDS = pytest.StashKey[float]()
"""The processor time that the servers have used when a worker no longer needs them."""

_OWN, _CHILDREN, _SERVERS = "tests", "processes that they started", "PostgreSQL and Kafka"
_CPU = "cpu_seconds"
_OF_A_TEST = "cpu_seconds_of_a_test"
_DEAREST = 12


def part_of(nodeid: str) -> str:
    """Return the folder by which a test is counted: one of `tests/services`, or one of `tests`."""
    folders = nodeid.partition("::")[0].split("/")[1:-1]
    return "/".join(folders[: 2 if folders[:1] == ["services"] else 1])


class Reporting:
    """Collects what all workers, or the only process, report, and prints it."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._began = time.monotonic()
        self._tests: Counter[str] = Counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._measured: defaultdict[str, list[Any]] = defaultdict(list)
        self._cpu: defaultdict[str, float] = defaultdict(float)
        self._spent: defaultdict[str, float] = defaultdict(float)
        self._spent_before = _spent()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Note what each phase of a test took of the processors, the processes that it waited for included."""
        spent = _spent()
        item.user_properties.append((_OF_A_TEST, spent - self._spent_before))
        self._spent_before = spent
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in the outcome of one phase of a test."""
        part = part_of(report.nodeid)
        self._seconds[part] += report.duration
        if report.when == "teardown":
            self._tests[part] += 1
            for name, value in report.user_properties:
                if name == _OF_A_TEST:
                    self._spent[report.nodeid.partition("[")[0]] += float(str(value))
                else:
                    self._measured[name].append(value)

    def pytest_sessionfinish(self) -> None:
        """Report what this process used, or pass it on to the process that prints."""
        used = _cpu_seconds(self._config)
        if (output := getattr(self._config, "workeroutput", None)) is not None:
            output[_CPU] = used
        else:
            self._add(used)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take in what a worker used."""
        self._add(getattr(node, "workeroutput", {}).get(_CPU, {}))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print everything."""
        if recoveries := self._measured[RECOVERY]:
            terminalreporter.section("from the end of a fault until nothing waited")
            for fault, seconds in recoveries:
                terminalreporter.write_line(f"{seconds:8.1f} s  {fault}")
        if deaths := self._measured[DEATH]:
            terminalreporter.section("mutants, and what they died of")
            for mutant, death in deaths:
                terminalreporter.write_line(f"{mutant}: {death}")
        if self._tests:
            spent: defaultdict[str, float] = defaultdict(float)
            for test, seconds in self._spent.items():
                spent[part_of(test)] += seconds
            terminalreporter.section("the tests that take most of the processors")
            for test in sorted(self._spent, key=self._spent.__getitem__)[: -_DEAREST - 1 : -1]:
                terminalreporter.write_line(f"{self._spent[test]:8.1f} s  {test}")
            terminalreporter.section("how long each part took, and its processor time")
            for part in sorted(self._tests):
                took = f"{self._seconds[part]:8.1f} s {spent[part]:8.1f} s"
                terminalreporter.write_line(f"{took}  {self._tests[part]:5} tests  {part}")
            _write_acceptance(terminalreporter)
            used = ", ".join(f"{seconds:.0f} s by {who}" for who, seconds in self._cpu.items())
            elapsed = time.monotonic() - self._began
            terminalreporter.write_line(f"{elapsed:8.1f} s  from the beginning to the end; processors: {used}")

    def _add(self, used: dict[str, float]) -> None:
        for who, seconds in used.items():
            # All workers share the servers, and the last one to look has seen all of it.
            self._cpu[who] = max(self._cpu[who], seconds) if who == _SERVERS else self._cpu[who] + seconds


def _write_acceptance(terminalreporter: pytest.TerminalReporter) -> None:
    def count(*outcomes: str) -> int:
        reports = [report for outcome in outcomes for report in terminalreporter.stats.get(outcome, [])]
        return len({report.nodeid for report in reports if "acceptance/test_cases.py::" in report.nodeid})

    passed, failed = count("passed"), count("failed", "error")
    if passed + failed:
        terminalreporter.write_line(f"acceptance: {passed} passed, {failed} failed")


def pytest_configure(config: pytest.Config) -> None:
    """Have this run reported."""
    config.pluginmanager.register(Reporting(config))


def _spent() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system + sum(warm.spent)


def _cpu_seconds(config: pytest.Config) -> dict[str, float]:
    times = os.times()
    divides = bool(config.getoption("numprocesses", None)) and not hasattr(config, "workerinput")
    return {
        _OWN: times.user + times.system,
        # The children of a process that distributes the tests are the workers, which report by themselves.
        _CHILDREN: 0.0 if divides else times.children_user + times.children_system + sum(warm.spent),
        _SERVERS: config.stash.get(SERVERS_CPU_SECONDS, 0.0),
    }
