"""The role `replays` of `whopays run` is killed wherever it awaits anything: its successor ends what it had begun."""

import signal
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from itertools import count

import pytest
import pytest_asyncio
from sqlalchemy import text

from embedded import Addresses
from schemas.instants import parse_instant
from schemas.replays import Selection
from tests.faults import failpoints
from tests.faults.matrix import FAILING_WORKER
from tests.faults.replaying import (
    NEVER,
    OFTEN,
    content,
    give_up_for_dead,
    planned,
    points,
    replay,
    until_now,
)
from tests.services.replaying.telling import say_much
from tests.support.installations import Installation, Worker, installed
from tests.support.waiting import until
from workers.replaying.beginning import ReplayRequest, begin
from workers.runtime.roles import ALL_ROLES, Role

_IN_SHORT = (
    "role.Replays._look: waiting_replays after",
    "producer.transact: asyncio.gather after",
    "producer.transact: asyncio.shield after",
)
"""Before anything is begun, the last moment before something is durable, and the first one after it."""

_HELD_BACK = ("working.Work._send: _renew_in_time", "working.Work._send: _wait", "working.Work._wait")
"""Where a replay comes that its rate holds back."""

_AT_ITS_END = (
    "role.Replays.run: work",
    "role.Replays._wait: _stopping.wait after",
    "role.Replays._wait: asyncio.timeout",
    "working.Work._wait: _stopping.wait after",
    "working.Work._wait: asyncio.timeout",
)
"""Where the role comes once it is told to stop."""

_AT_WORK = "working.Work._send: _wait before"
_SLOWLY = {"WHOPAYS_REPLAY_RATE": "40"}
_RUNS = count()


@pytest_asyncio.fixture(scope="module")
async def spoken(services: Addresses, template: str) -> AsyncIterator[Installation]:
    """An installation in which much was said, and nobody works on replays."""
    others = [role for role in ALL_ROLES if role is not Role.REPLAYS]
    async with installed(services, template, roles=others) as made:
        await say_much(made)
        yield made


@pytest.mark.chaos
@pytest.mark.timeout(3600)
async def test_killed_at_every_point(spoken: Installation) -> None:
    await _killed(spoken, lambda point: not point.startswith(NEVER))


async def test_killed_at_the_points_between(spoken: Installation) -> None:
    await _killed(spoken, lambda point: point in _IN_SHORT)


async def _killed(installation: Installation, chosen: Callable[[str], bool]) -> None:
    end, run = await until_now(installation), next(_RUNS)
    whole = f"whole-{run}"
    status, said = await replay(installation, "start", whole, "--partitions=2", f"--until={end}")
    assert status == 0, said
    undisturbed = await content(installation, whole)
    missed = []
    for number, point in enumerate(points()):
        if not chosen(point):
            continue
        name = f"killed-{run}-{number}"
        selection = Selection(until=parse_instant(end))
        await begin(
            installation.engine, installation.settings, ReplayRequest(name, selection, partitions=2, is_detached=True)
        )
        if await _broken(installation, name, point) != -signal.SIGKILL:
            missed.append(point)
        await give_up_for_dead(installation, name)
        successor = await _launched(installation)
        await until(partial(_is_done, installation, name), f"the end of a replay killed at {point}")
        await successor.kill()
        assert await content(installation, name) == undisturbed, point
    assert missed == []


async def _broken(installation: Installation, name: str, point: str) -> int:
    """Have the role work until it is killed at a failpoint, or done; return how it ended."""
    plan = {_AT_WORK: failpoints.TELL, **planned(point, failpoints.KILL)}
    worker = await _launched(installation, plan, _SLOWLY if point.startswith((*_HELD_BACK, *_AT_ITS_END)) else {})
    if point.startswith(_AT_ITS_END):
        await worker.logged(failpoints.reached(_AT_WORK))
        worker.process.terminate()

    async def is_over() -> bool:
        is_missed = "_look: work" not in point and await _is_done(installation, name)
        return worker.process.returncode is not None or (is_missed and not _is_at(worker, point))

    await until(is_over, f"a process that is killed at {point}")
    if worker.process.returncode is None:
        await worker.stop()
    return await worker.process.wait()


def _is_at(worker: Worker, point: str) -> bool:
    return any(failpoints.reached(point) in line for line in worker.lines)


async def _launched(
    installation: Installation, plan: Mapping[str, str] | None = None, settings: Mapping[str, str] | None = None
) -> Worker:
    variables = {**OFTEN, **failpoints.environment(plan or {}), **(settings or {})}
    return await installation.launch(Role.REPLAYS, module=FAILING_WORKER, **variables)


async def _is_done(installation: Installation, name: str) -> bool:
    async with installation.engine.connect() as connection:
        replay = (
            await connection.execute(text("SELECT state, trouble FROM replays WHERE name = :name"), {"name": name})
        ).one()
    assert replay.state != "Failed", replay.trouble
    return bool(replay.state == "Done")
