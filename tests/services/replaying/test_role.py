"""The role `replays`: two at a time, and what ends it, and what does not; it has a database of its own here."""

import asyncio
from functools import partial
from typing import Any

import pytest
from asyncpg import UndefinedTableError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import create_engine
from db.replays import KeptReplay, find_replay, go_on_with_replay
from schemas.replays import ReplayState, selection_of
from tests.services.replaying.copying import copied
from tests.support.installations import Installation
from tests.support.waiting import patience, until
from workers.replaying import lease, role
from workers.replaying.beginning import ReplayRequest, begin
from workers.replaying.role import Replays
from workers.runtime.metrics import Metrics
from workers.runtime.roles import Role
from workers.runtime.settings import Settings

_SELECTION = selection_of(organization="acme", types=["BindingChanged"])


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(role, "_POLL_SECONDS", 0.02)
    monkeypatch.setattr(lease, "_RENEW_SECONDS", 0.0)


async def _begin(told: Installation, engine: AsyncEngine, *names: str, rate: int | None = None) -> None:
    for name in names:
        asked = ReplayRequest(name, _SELECTION, partitions=1, rate=rate, is_available_enough=True, is_detached=True)
        await begin(engine, told.settings, asked)


async def _kept(engine: AsyncEngine, name: str) -> KeptReplay:
    async with engine.connect() as connection:
        found = await find_replay(connection, name)
    assert found is not None
    return found


def _sample(metrics: Metrics, name: str, **labels: Any) -> float | None:
    return metrics.registry.get_sample_value(f"whopays_{name}", labels)


async def test_two_at_a_time(told: Installation, engine: AsyncEngine) -> None:
    await copied(told, engine)
    names = ("role-1", "role-2", "role-3")
    await _begin(told, engine, *names, rate=4)
    metrics, stopping = Metrics(), asyncio.Event()
    turned = metrics.turns._turned[Role.REPLAYS]
    running = asyncio.create_task(Replays(engine, told.settings, metrics, stopping).run())

    async def stands(working: int, waiting: int) -> bool:
        assert not running.done()
        return (_sample(metrics, "replays_working"), _sample(metrics, "replays_waiting")) == (working, waiting)

    async def are_done() -> bool:
        assert not running.done()
        return {(await _kept(engine, name)).state for name in names} == {ReplayState.DONE}

    try:
        await until(lambda: stands(2, 1), "two that are worked on")
        async with engine.begin() as connection:
            for name in names:
                await go_on_with_replay(connection, name, 100_000, is_detached=None)
        await until(are_done, "the end of all")
        await until(lambda: stands(0, 0), "nothing to do")
        assert (_sample(metrics, "role_heartbeat_timestamp_seconds", role="replays") or 0) > 0
        assert Role.REPLAYS not in metrics.turns.waiting_to_begin()
        assert metrics.turns._turned[Role.REPLAYS] > turned
        await _begin(told, engine, "role-4", rate=4)
        await until(lambda: stands(1, 0), "the fourth")
    finally:
        stopping.set()
        await running
    fourth = await _kept(engine, "role-4")
    assert (fourth.state, fourth.owner) == (ReplayState.RUNNING, None), "it is left to others"


async def test_a_database_that_is_away_is_waited_for(told: Installation) -> None:
    away, metrics, stopping = create_engine("postgresql://nobody@127.0.0.1:1/none"), Metrics(), asyncio.Event()
    turned = metrics.turns._turned
    running = asyncio.create_task(Replays(away, told.settings, metrics, stopping).run())

    async def came_round_since(before: float) -> bool:
        return running.done() or turned[Role.REPLAYS] > before

    for _ in range(2):
        await until(partial(came_round_since, turned[Role.REPLAYS]), "another turn")
    stopping.set()
    await running
    assert Role.REPLAYS in metrics.turns.waiting_to_begin()


async def test_what_nobody_expected_ends_the_role(told: Installation, engine: AsyncEngine) -> None:
    """Of a replay, or of what it looks for."""
    await copied(told, engine)
    await _begin(told, engine, "role-5")
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE replays SET selection = '[]'"))
    async with asyncio.timeout(patience(30)):
        with pytest.raises(ValueError, match="Selection"):
            await Replays(engine, told.settings, Metrics(), asyncio.Event()).run()
        async with engine.begin() as connection:
            await connection.execute(text("ALTER TABLE replays RENAME TO gone"))
        with pytest.raises(UndefinedTableError):
            await Replays(engine, Settings(), Metrics(), asyncio.Event()).run()
