"""`python -m benchmarks.restarting`: what commands notice while all processes are replaced one after the other.

Two processes of workers and two relays. Commands go at a pace, first undisturbed and then for three times as long
while each process is stopped (SIGTERM), its end awaited, and a new one started: as an upgrade without a stop does.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.alone import measure_alone
from benchmarks.contenders import measure_rebindings, warm_up, whopays_contender
from benchmarks.failures import BenchmarkFailed
from benchmarks.fleet import Fleet, establish
from benchmarks.outcomes import verify_state
from benchmarks.pacing import Acknowledged, Latency, keep_pace, latency_of, seeing, seen_at, times_of, undisturbed
from benchmarks.processes import Program, whopays
from benchmarks.progress import step
from benchmarks.report import Report
from benchmarks.traffic import Observer, Offsets, ends, observing, producing
from schemas.topics import Topic
from workers.runtime.roles import Role
from workers.runtime.settings import Settings

MEASURED = (
    "from the broker's acknowledgement of a command until a read_committed consumer has got its result or its "
    "BindingChanged; the longest pause is that between two of them, of all partitions"
)
_WORKERS = (Role.PROJECTS, Role.PAYMENT_PROFILES, Role.ADMIN_COMMANDS, Role.TIMERS)
_CREW = (_WORKERS, _WORKERS, (Role.RELAY,), (Role.RELAY,))
_LOADS = (0.1, 0.5)
_UNDISTURBED, _RESTARTING = "undisturbed", "restarting"
_SECONDS_BETWEEN = 2.0
"""After a process has started and before the next one is stopped: for the group to have come to rest."""

program = typer.Typer(pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    seconds: float
    commands: int
    reached: float | None
    organizations: int = 200
    projects: int = 20_000


@program.command()
def main(
    seconds: Annotated[float, typer.Option(min=5, help="How long the restart has.")] = 60.0,
    commands: Annotated[
        int, typer.Option(min=1, help="Commands with which it is measured what whopays bears.")
    ] = 20_000,
    reached: Annotated[
        float | None, typer.Option(help="Commands a second that whopays bears; measured first when not given.")
    ] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")] = None,
) -> None:
    """Latency of commands at a tenth and at half of the load, undisturbed and during a rolling restart."""
    asyncio.run(measure_alone(_measured, Size(seconds, commands, reached), json))


async def _measured(settings: Settings, size: Size) -> Report:
    fleet = Fleet(size.organizations, size.projects)
    await establish(fleet, settings)
    reached = size.reached
    if reached is None:
        contender = whopays_contender(fleet, size.commands)
        reached = (await measure_rebindings("What can be borne", settings, contender)).per_second
    latencies: dict[str, Latency] = {}
    ratios: dict[str, float] = {}
    with _crew(settings) as crew:
        commands, results = (settings.topic(name) for name in (Topic.ADMIN_COMMANDS, Topic.COMMAND_RESULTS))
        await warm_up(settings, crew.programs, commands, results, fleet.unchanging())
        for load in _LOADS:
            with step(f"{reached * load:,.0f} commands per second", 2) as shown:
                for number, name in enumerate((_UNDISTURBED, _RESTARTING), start=1):
                    part = f"{load:.0%}, {name}"
                    async with _replacing(crew, is_wanted=name == _RESTARTING) as restarts:
                        seconds = size.seconds if name == _RESTARTING else size.seconds / 3
                        found = await _segment(fleet, settings, seconds, reached * load)
                    for what, (times, pause) in found.items():
                        latencies[f"{part}: {what}"] = latency_of(times)
                        ratios[f"{part}: longest pause of {what}, seconds"] = pause
                    if restarts:
                        ratios[f"{part}: processes replaced"] = len(restarts)
                        ratios[f"{part}: longest stop, seconds"] = max(restarts)
                    shown(number)
    await verify_state(settings, fleet)
    ratios["load of the machine"] = os.getloadavg()[1]
    described = asdict(size) | {"reached": round(reached)}
    return Report("restarting", MEASURED, described, latencies=latencies, ratios=ratios)


class _Crew:
    """The running processes, each of which can be replaced."""

    def __init__(self, settings: Settings, stack: ExitStack) -> None:
        self._settings = settings
        self._stacks = [stack.enter_context(ExitStack()) for _ in _CREW]
        self.programs = [self._started(place) for place in range(len(_CREW))]

    def _started(self, place: int) -> Program:
        return self._stacks[place].enter_context(whopays(self._settings, _CREW[place]))[0]

    def stop(self, place: int) -> None:
        """Stop a process and wait for its end."""
        self._stacks[place].close()

    def start(self, place: int) -> None:
        """Start it again, and wait until it has."""
        self.programs[place] = self._started(place)


@contextmanager
def _crew(settings: Settings) -> Iterator[_Crew]:
    with ExitStack() as stack:
        yield _Crew(settings, stack)


@asynccontextmanager
async def _replacing(crew: _Crew, *, is_wanted: bool) -> AsyncIterator[list[float]]:
    """Replace all processes meanwhile; yield a list that then has how many seconds each took to stop."""
    took: list[float] = []
    if not is_wanted:
        yield took
        return
    replacing = asyncio.create_task(_replace_all(crew, took))
    try:
        yield took
        if not replacing.done():
            raise BenchmarkFailed(
                f"only {len(took)} of {len(_CREW)} processes were replaced in time: measure for longer"
            )
    finally:
        await replacing


async def _replace_all(crew: _Crew, took: list[float]) -> None:
    clock = asyncio.get_running_loop().time
    for place in range(len(_CREW)):
        await asyncio.sleep(_SECONDS_BETWEEN)
        began = clock()
        await asyncio.to_thread(crew.stop, place)
        took.append(clock() - began)
        await asyncio.to_thread(crew.start, place)
    await asyncio.sleep(_SECONDS_BETWEEN)


async def _segment(
    fleet: Fleet, settings: Settings, seconds: float, per_second: float
) -> dict[str, tuple[list[float], float]]:
    """Return for results and events how many seconds each command took, and the longest pause between two of them."""
    sent = fleet.rebindings(round(seconds * per_second))
    topics = {"results": settings.topic(Topic.COMMAND_RESULTS), "events": settings.topic(Topic.BINDINGS)}
    since = await ends(settings, *topics.values())
    async with (
        observing(settings, topics["results"], _of(topics["results"], since)) as results,
        observing(settings, topics["events"], _of(topics["events"], since)) as events,
        producing(settings) as producer,
    ):
        acknowledged = Acknowledged(producer, settings.topic(Topic.ADMIN_COMMANDS), sent)
        with undisturbed():
            async with seeing(results, len(sent)), seeing(events, len(sent)):
                await keep_pace(len(sent), per_second, acknowledged.send)
    return {
        name: (list(times_of(acknowledged.at, seen_at(observer)).values()), _longest_pause(observer))
        for name, observer in (("results", results), ("events", events))
    }


def _of(topic: str, offsets: Offsets) -> Offsets:
    return {partition: offset for partition, offset in offsets.items() if partition.topic == topic}


def _longest_pause(observer: Observer) -> float:
    moments: Sequence[float] = [moment for moment, _ in observer.arrivals]
    return max((later - earlier for earlier, later in pairwise(moments)), default=0.0)


if __name__ == "__main__":
    program()
