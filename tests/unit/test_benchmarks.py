"""What the benchmarks take hold of by name is there, and what they compute: they run too seldom to find out."""

import pkgutil
import re
import shlex
import signal
import sys
from dataclasses import replace
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from runpy import run_path
from statistics import median

import pytest

import benchmarks
from benchmarks.__main__ import WORKLOADS, program
from benchmarks.capacity import LARGEST_DATABASE_CORES, Costs, growth, waiting
from benchmarks.profiling import STEPS
from tests.support.packages import ROOT

_STARTED_BY_OTHERS = frozenset(
    f"benchmarks.{name}" for name in ("floor", "questions.served", "relaying.launch", "straightforward")
)
"""What a benchmark starts as a process of its own; these take no options."""


def _programs() -> dict[str, Path]:
    """Return the file of every benchmark that can be started, by what follows `python -m`."""
    files = [
        path
        for path in (ROOT / "benchmarks").rglob("*.py")
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
    ]
    named = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__"): path for path in files}
    return {name: named[name] for name in sorted(named.keys() - _STARTED_BY_OTHERS)}


def _documented() -> list[str]:
    """Return every command line of a benchmark that a page of the docs shows."""
    pages = [path.read_text(encoding="utf-8") for path in (ROOT / "docs").rglob("*.md")]
    return sorted({line.strip() for page in pages for line in re.findall(r"python -m (benchmarks[^`#\n]*)", page)})


def test_every_module_can_be_imported() -> None:
    for module in pkgutil.walk_packages(benchmarks.__path__, "benchmarks."):
        import_module(module.name)


def test_every_workload_is_among_all() -> None:
    assert {*WORKLOADS, "all", "plot"} == {command.name for command in program.registered_commands}


@pytest.mark.parametrize("line", sorted({*_programs(), *_documented()}))
def test_every_benchmark_takes_its_options(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name, *options = shlex.split(line)
    monkeypatch.setattr(sys, "argv", [name, *options, "--help"])
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        run_path(str(_programs()[name]), run_name="__main__")
    shown = capsys.readouterr()
    assert ended.value.code == 0, shown.err
    assert "Usage:" in shown.out


@pytest.mark.parametrize(("module", "name"), STEPS.values(), ids=STEPS)
def test_every_step_that_is_timed_exists(module: object, name: str) -> None:
    assert callable(getattr(module, name))


def _costs(**changed: float) -> Costs:
    costs = Costs(
        worker=200e-6,
        relay=50e-6,
        database=100e-6,
        kafka=40e-6,
        wal_bytes=3_000,
        commands_per_second=4_000,
        transaction_seconds=0.005,
    )
    return replace(costs, **changed)


@pytest.mark.parametrize("wanted", (1_000, 10_000, 100_000, 1_000_000))
def test_growth_ends_where_every_part_bears_what_is_wanted(wanted: float) -> None:
    *_, last = growth(_costs(), wanted)
    assert min(last.installation.limits(_costs()).values()) == last.commands_per_second >= wanted


def test_what_breaks_first_is_what_is_doubled() -> None:
    steps = list(growth(_costs(), 100_000))
    for before, after in pairwise(steps):
        limits, relieved = (it.installation.limits(_costs())[before.breaks] for it in (before, after))
        assert limits == before.commands_per_second
        assert relieved == pytest.approx(2 * limits)


def test_a_database_that_is_as_large_as_they_get_becomes_two() -> None:
    *_, last = growth(_costs(worker=1e-6, relay=1e-6, kafka=1e-6, wal_bytes=1), 1_000_000)
    assert (last.installation.databases, last.installation.database_cores) == (8, LARGEST_DATABASE_CORES)


def test_a_command_alone_waits_for_its_transaction_and_no_other() -> None:
    taken = waiting(_costs(), load=0.000_001, commands=200)
    assert taken == [pytest.approx(0.005 + 200e-6)] * 200


def test_waiting_grows_faster_than_load() -> None:
    little, half, most = (median(waiting(_costs(), load, commands=5_000)) for load in (0.1, 0.5, 0.9))
    assert most / half > half / little > 1
