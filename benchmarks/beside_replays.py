"""`python -m benchmarks.beside_replays`: what commands notice of a replay that runs at the same time.

Commands go at a pace in short segments, alternately with nothing beside them and with a replay of the whole log, which
is followed by the next one as soon as it is done. So only neighbours are compared, on a machine whose speed drifts.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.alone import measure_alone
from benchmarks.contenders import measure_rebindings, warm_up, whopays_contender
from benchmarks.failures import BenchmarkFailed
from benchmarks.fleet import Fleet, establish
from benchmarks.measuring import processes_of
from benchmarks.outcomes import verify_state
from benchmarks.pacing import Acknowledged, keep_pace, latency_of, seeing, seen_at, times_of, undisturbed
from benchmarks.processes import Program, check_of, whopays
from benchmarks.progress import step
from benchmarks.report import Report
from benchmarks.traffic import ends, observing, producing
from benchmarks.usage import Usage, metered
from db.engine import create_engine
from db.replays import KeptReplay, find_replay, stop_replay
from schemas.replays import ReplayState, Selection
from schemas.topics import Topic, replay_topic
from workers.replaying.beginning import ReplayRequest, begin
from workers.replaying.target import remove_target
from workers.runtime.roles import Role
from workers.runtime.settings import Settings

MEASURED = (
    "from the broker's acknowledgement of a command until a read_committed consumer has got its result, while nothing "
    "else runs and while a replay does"
)
_ALONE, _BESIDE = "alone", "beside a replay"
_LOADS = (0.1, 0.5)
_LOOK_SECONDS = 0.2

program = typer.Typer(pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured: `pairs` of segments for each load, as many commands in the log before."""

    seconds: float
    pairs: int
    commands: int
    reached: float | None
    together: bool
    rate: int | None
    organizations: int = 200
    projects: int = 20_000


@program.command()
def main(
    seconds: Annotated[float, typer.Option(min=0.5, help="How long a segment lasts.")] = 8.0,
    pairs: Annotated[int, typer.Option(min=1, help="Pairs of segments for each load.")] = 3,
    commands: Annotated[int, typer.Option(min=1, help="Commands whose events are in the log before.")] = 40_000,
    reached: Annotated[
        float | None, typer.Option(help="Commands a second that whopays bears; measured first when not given.")
    ] = None,
    together: Annotated[bool, typer.Option("--together", help="All roles in one process.")] = False,
    rate: Annotated[int | None, typer.Option(min=1, help="Events a second that each replay is held to.")] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")] = None,
) -> None:
    """Latency of commands at a tenth and at half of the load, with and without a replay beside them."""
    asyncio.run(measure_alone(_measured, Size(seconds, pairs, commands, reached, together, rate), json))


async def _measured(settings: Settings, size: Size) -> Report:
    fleet = Fleet(size.organizations, size.projects)
    await establish(fleet, settings)
    made = await measure_rebindings("The log is filled", settings, whopays_contender(fleet, size.commands))
    reached = size.reached or made.per_second
    roles = [(Role.ADMIN_COMMANDS,), (Role.RELAY,), (Role.REPLAYS,)]
    latencies, usage, ratios = {}, {}, {}
    with whopays(settings, *([tuple(role for one in roles for role in one)] if size.together else roles)) as programs:
        commands, results = (settings.topic(name) for name in (Topic.ADMIN_COMMANDS, Topic.COMMAND_RESULTS))
        await warm_up(settings, programs, commands, results, fleet.unchanging())
        for load in _LOADS:
            times: dict[str, list[float]] = {_ALONE: [], _BESIDE: []}
            used: dict[str, list[dict[str, Usage]]] = {_ALONE: [], _BESIDE: []}
            replayed = 0
            with step(f"{reached * load:,.0f} commands per second", 2 * size.pairs) as shown:
                for number in range(2 * size.pairs):
                    # Without, with, with, without: a drift in one direction favours neither.
                    name = _BESIDE if number % 4 in (1, 2) else _ALONE
                    async with _replaying(settings, size.rate, is_wanted=name == _BESIDE) as done:
                        found, took = await _segment(fleet, settings, programs, size.seconds, reached * load)
                    times[name] += found
                    used[name].append(took)
                    replayed += sum(done)
                    shown(number + 1)
            for name, found in times.items():
                latencies[f"{load:.0%}, {name}"] = latency_of(found)
                usage[f"{load:.0%}, {name}"] = _sum(used[name])
            alone, beside = (latencies[f"{load:.0%}, {name}"] for name in (_ALONE, _BESIDE))
            ratios[f"median at {load:.0%}, beside / alone"] = beside.median / alone.median
            ratios[f"99 % at {load:.0%}, beside / alone"] = beside.p99 / alone.p99
            ratios[f"events replayed a second at {load:.0%}"] = replayed / (size.seconds * size.pairs)
    await verify_state(settings, fleet)
    ratios["load of the machine"] = os.getloadavg()[1]
    described = asdict(size) | {"reached": round(reached)}
    return Report("beside replays", MEASURED, described, latencies=latencies, usage=usage, ratios=ratios)


async def _segment(
    fleet: Fleet, settings: Settings, programs: Sequence[Program], seconds: float, per_second: float
) -> tuple[list[float], dict[str, Usage]]:
    """Return the seconds that each command took, and what all of them took of the processes."""
    sent = fleet.rebindings(round(seconds * per_second))
    results = settings.topic(Topic.COMMAND_RESULTS)
    async with (
        observing(settings, results, await ends(settings, results)) as observer,
        producing(settings) as producer,
        metered(processes_of(programs)) as usage,
    ):
        acknowledged = Acknowledged(producer, settings.topic(Topic.ADMIN_COMMANDS), sent)
        with undisturbed():
            async with seeing(observer, len(sent), check_of(programs)):
                await keep_pace(len(sent), per_second, acknowledged.send)
    return list(times_of(acknowledged.at, seen_at(observer)).values()), usage


@asynccontextmanager
async def _replaying(settings: Settings, rate: int | None, *, is_wanted: bool) -> AsyncIterator[list[int]]:
    """Keep a replay running until the context ends; yield a list that then has how many events each replayed."""
    done: list[int] = []
    if not is_wanted:
        yield done
        return
    engine = create_engine(settings.database_url)
    ended = asyncio.Event()
    try:
        names = [await _begun(engine, settings, rate)]
        working = asyncio.create_task(_one_after_another(engine, settings, rate, names, ended))
        try:
            await _until(engine, names[0], lambda replay: replay.records > 0)
            yield done
        finally:
            ended.set()
            await working
        done += [(await _found(engine, name)).records for name in names]
        for name in names:
            await remove_target(settings, settings.topic(replay_topic(name)))
    finally:
        await engine.dispose()


async def _one_after_another(
    engine: AsyncEngine, settings: Settings, rate: int | None, names: list[str], ended: asyncio.Event
) -> None:
    """Begin the next replay whenever the last one is done; stop the one that runs at the end."""
    while not ended.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_SECONDS):
                await ended.wait()
        if (await _found(engine, names[-1])).state is ReplayState.DONE:
            names.append(await _begun(engine, settings, rate))
    async with engine.begin() as connection:
        await stop_replay(connection, names[-1])
    await _until(engine, names[-1], lambda replay: not replay.is_leased)


async def _begun(engine: AsyncEngine, settings: Settings, rate: int | None) -> str:
    name = f"beside-{uuid4().hex[:12]}"
    await begin(engine, settings, ReplayRequest(name, Selection(), rate=rate, is_detached=True))
    return name


async def _until(engine: AsyncEngine, name: str, is_so: Callable[[KeptReplay], bool]) -> None:
    while True:
        if is_so(await _found(engine, name)):
            return
        await asyncio.sleep(_LOOK_SECONDS)


async def _found(engine: AsyncEngine, name: str) -> KeptReplay:
    async with engine.connect() as connection:
        replay = await find_replay(connection, name)
    if replay is None or replay.state is ReplayState.FAILED:
        raise BenchmarkFailed(f"the replay {name} failed: {replay and replay.trouble}")
    return replay


def _sum(usages: Sequence[Mapping[str, Usage]]) -> dict[str, Usage]:
    return {
        name: Usage(sum(one[name].cpu_seconds for one in usages), max(one[name].peak_bytes for one in usages))
        for name in usages[0]
    }


if __name__ == "__main__":
    program()
