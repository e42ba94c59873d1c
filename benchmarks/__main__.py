"""`python -m benchmarks [WORKLOAD]`: measure a workload; `all` when none is named."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.failures import BenchmarkFailed
from benchmarks.installations import Servers, servers
from benchmarks.report import Report, environment_facts, rate, write
from benchmarks.tables import show, show_environment
from benchmarks.workloads import (
    backlog,
    growth,
    huge,
    mixed,
    paced,
    rebinding,
    rights,
    suspension,
    worker_processes,
)
from workers.runtime.settings import Settings

_DEFAULT = "all"

program = typer.Typer(
    name="benchmarks",
    help="Measure whopays on a real PostgreSQL and a real Kafka: those of WHOPAYS_DATABASE_URL and "
    "WHOPAYS_KAFKA_BOOTSTRAP_SERVERS, or else fresh embedded ones.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_REBINDING, _MIXED, _BACKLOG, _PACED = rebinding.Size(), mixed.Size(), backlog.Size(), paced.Size()
_GROWTH, _HUGE, _PROCESSES, _SUSPENSION = growth.Size(), huge.Size(), worker_processes.Size(), suspension.Size()
_RIGHTS = rights.Size()

_Commands = Annotated[int, typer.Option(min=1, help="Commands of one round.")]
_Organizations = Annotated[int, typer.Option(min=1, help="Organizations that the commands are spread over.")]
_Projects = Annotated[int, typer.Option(min=1, help="Projects in all, each bound before.")]
_Rounds = Annotated[int, typer.Option(min=1, help="Rounds, of which the medians count.")]
_Json = Annotated[Path | None, typer.Option(help="Write all figures to this file.")]


@dataclass(frozen=True, slots=True)
class Workload:
    """How a workload is measured, and how much of it: `quick` only shows that it runs, and its figures mean nothing."""

    run: Callable[[Servers, Any], Awaitable[Report]]
    size: Any
    quick: Any


_FEW: dict[str, Any] = {"organizations": 5, "projects": 50}
WORKLOADS = {
    "rebinding": Workload(rebinding.run, _REBINDING, rebinding.Size(commands=200, few_commands=10, rounds=1, **_FEW)),
    "mixed": Workload(mixed.run, _MIXED, mixed.Size(records=200, rounds=1, **_FEW)),
    "backlog": Workload(backlog.run, _BACKLOG, backlog.Size(commands=500, **_FEW)),
    "paced": Workload(paced.run, _PACED, paced.Size(seconds=0.5, commands=200, **_FEW)),
    "growth": Workload(
        growth.run, _GROWTH, growth.Size(commands=100, organizations=5, projects=(50, 100, 200), rounds=1)
    ),
    "huge": Workload(huge.run, _HUGE, huge.Size(commands=1_000, projects=50, small=1, seconds=0.5, rounds=1)),
    "processes": Workload(worker_processes.run, _PROCESSES, worker_processes.Size(commands=200, rounds=1, **_FEW)),
    "rights": Workload(rights.run, _RIGHTS, rights.Size(commands=200, rounds=1, **_FEW)),
    "suspension": Workload(suspension.run, _SUSPENSION, suspension.Size(projects=600)),
}


@program.command("all")
def measure_all(
    quick: Annotated[bool, typer.Option("--quick", help="Tiny sizes, which only show that it runs.")] = False,
    json: _Json = None,
) -> None:
    """Every workload of the following in one run on the same servers, `suspension` with --quick only."""

    async def measure(found: Servers, done: Callable[[Report], None]) -> None:
        reached = None
        for name, workload in WORKLOADS.items():
            if name == "suspension" and not quick:
                continue
            size = workload.quick if quick else workload.size
            if name == "paced":
                size = replace(size, reached=reached)
            report = await workload.run(found, size)
            if name == "rebinding":
                reached = rate(report.rounds["whopays"])
            done(report)

    _run(measure, json)


@program.command("rebinding")
def measure_rebinding(
    commands: _Commands = _REBINDING.commands,
    few_commands: Annotated[
        int, typer.Option(min=1, help="Commands of one round of what takes them one by one.")
    ] = _REBINDING.few_commands,
    organizations: _Organizations = _REBINDING.organizations,
    projects: _Projects = _REBINDING.projects,
    rounds: _Rounds = _REBINDING.rounds,
    json: _Json = None,
) -> None:
    """Rebinding commands per second, end to end, beside all that whopays is compared with."""
    _run_one(rebinding.run, rebinding.Size(commands, few_commands, organizations, projects, rounds), json)


@program.command("mixed")
def measure_mixed(
    records: Annotated[int, typer.Option(min=1, help="Records of one round.")] = _MIXED.records,
    organizations: _Organizations = _MIXED.organizations,
    projects: _Projects = _MIXED.projects,
    rounds: _Rounds = _MIXED.rounds,
    seed: Annotated[int, typer.Option(help="What the mix follows from.")] = _MIXED.seed,
    json: _Json = None,
) -> None:
    """Commands and facts of many kinds over all input topics."""
    _run_one(mixed.run, mixed.Size(records, organizations, projects, rounds, seed), json)


@program.command("backlog")
def measure_backlog(
    commands: _Commands = _BACKLOG.commands,
    organizations: _Organizations = _BACKLOG.organizations,
    projects: _Projects = _BACKLOG.projects,
    json: _Json = None,
) -> None:
    """A long backlog, read by processes that start after it."""
    _run_one(backlog.run, backlog.Size(commands, organizations, projects), json)


@program.command("paced")
def measure_paced(
    seconds: Annotated[float, typer.Option(min=0.1, help="How long each load lasts.")] = _PACED.seconds,
    load: Annotated[tuple[float, float], typer.Option(help="Two loads as parts of what is reached.")] = _PACED.loads,
    reached: Annotated[
        float | None, typer.Option(help="Commands per second that whopays bears; measured first when not given.")
    ] = None,
    organizations: _Organizations = _PACED.organizations,
    projects: _Projects = _PACED.projects,
    json: _Json = None,
) -> None:
    """Latency at a pace, beside that of a bare transactional produce and consume."""
    _run_one(paced.run, paced.Size(seconds, load, reached, _PACED.commands, organizations, projects), json)


@program.command("growth")
def measure_growth(
    commands: _Commands = _GROWTH.commands,
    organizations: _Organizations = _GROWTH.organizations,
    projects: Annotated[
        tuple[int, int, int], typer.Option(help="Three numbers of projects in the database.")
    ] = _GROWTH.projects,
    rounds: _Rounds = _GROWTH.rounds,
    json: _Json = None,
) -> None:
    """The same commands in a larger and larger database."""
    _run_one(growth.run, growth.Size(commands, organizations, projects, rounds), json)


@program.command("huge")
def measure_huge(
    commands: Annotated[int, typer.Option(min=1, help="Backlog of the huge organization.")] = _HUGE.commands,
    projects: Annotated[int, typer.Option(min=1, help="Its projects.")] = _HUGE.projects,
    small: Annotated[int, typer.Option(min=1, help="Small ones in each of three groups.")] = _HUGE.small,
    per_second: Annotated[float, typer.Option(min=1, help="Commands of all small ones.")] = _HUGE.per_second,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long they send in a round.")] = _HUGE.seconds,
    rounds: _Rounds = _HUGE.rounds,
    json: _Json = None,
) -> None:
    """What small organizations notice of a huge one."""
    _run_one(huge.run, huge.Size(commands, projects, small, per_second, seconds, rounds), json)


@program.command("processes")
def measure_processes(
    commands: _Commands = _PROCESSES.commands,
    organizations: _Organizations = _PROCESSES.organizations,
    projects: _Projects = _PROCESSES.projects,
    rounds: _Rounds = _PROCESSES.rounds,
    json: _Json = None,
) -> None:
    """Rebinding commands per second with one, two and four worker processes."""
    _run_one(worker_processes.run, worker_processes.Size(commands, organizations, projects, rounds), json)


@program.command("rights")
def measure_rights(
    commands: _Commands = _RIGHTS.commands,
    organizations: Annotated[
        int, typer.Option(min=1, help="Organizations that the commands are spread over, of five people each.")
    ] = _RIGHTS.organizations,
    projects: _Projects = _RIGHTS.projects,
    rounds: _Rounds = _RIGHTS.rounds,
    json: _Json = None,
) -> None:
    """Rebinding commands per second of senders whose tokens are checked, beside senders who are trusted."""
    _run_one(rights.run, rights.Size(commands, organizations, projects, rounds), json)


@program.command("suspension")
def measure_suspension(
    projects: Annotated[int, typer.Option(min=1, help="Projects that the account pays for.")] = _SUSPENSION.projects,
    json: _Json = None,
) -> None:
    """Suspension of an account with very many projects: when they are notified, and what a neighbour notices of it."""
    _run_one(suspension.run, suspension.Size(projects), json)


@program.command("plot")
def plot(
    results: Annotated[Path, typer.Argument(help="What `all --json` wrote.")],
    folder: Annotated[Path, typer.Argument(help="Where the plots go.")],
) -> None:
    """Draw the results as SVG."""
    # Drawing needs matplotlib, which takes a second to load; measuring does not.
    from benchmarks.plots import draw  # noqa: PLC0415

    for path in draw(results, folder):
        typer.echo(path)


def _run_one(run: Callable[[Servers, Any], Awaitable[Report]], size: object, json: Path | None) -> None:
    async def measure(found: Servers, done: Callable[[Report], None]) -> None:
        done(await run(found, size))

    _run(measure, json)


def _run(measure: Callable[[Servers, Callable[[Report], None]], Awaitable[None]], json: Path | None) -> None:
    """Measure on servers; show and write each report as soon as it is done."""

    async def run() -> None:
        reports: list[Report] = []

        def done(report: Report) -> None:
            reports.append(report)
            show(report)
            if json is not None:
                write(json, environment, reports)

        with servers() as found:
            settings = Settings(database_url=found.database_url, kafka_bootstrap_servers=found.kafka_bootstrap_servers)
            environment = await environment_facts(settings)
            show_environment(environment)
            await measure(found, done)

    try:
        asyncio.run(run())
    except BenchmarkFailed as failure:
        typer.echo(f"The benchmark failed: {failure}", err=True)
        raise typer.Exit(1) from None


if __name__ == "__main__":
    # Told to end, it ends its processes first, as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    arguments = sys.argv[1:]
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in ("-h", "--help")):
        arguments = [_DEFAULT, *arguments]
    program(arguments)
