"""Idle shards are raised by the earlier of two clocks: never lowered, never by one clock alone."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.raising import MOST_APART, Raised, raise_busy, raise_idle, raise_to
from db.shards import all_heads, lock_shards
from workers.publishing import idle
from workers.publishing.idle import IdleShards

_SECOND = timedelta(seconds=1)
_BEGINNING = datetime.min.replace(tzinfo=UTC)


async def _now(connection: AsyncConnection) -> datetime:
    now: datetime = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
    return now


async def _instants(engine: AsyncEngine) -> dict[int, datetime]:
    async with engine.connect() as connection:
        return {shard: head.last_instant for shard, head in (await all_heads(connection)).items()}


@pytest.mark.parametrize("ahead", (-2 * _SECOND, 2 * _SECOND), ids=["own clock ahead", "own clock behind"])
async def test_never_beyond_the_earlier_clock(engine: AsyncEngine, ahead: timedelta) -> None:
    async with engine.begin() as connection:
        before = await _now(connection)
        raised = await raise_idle(connection, before - ahead)
        after = await _now(connection)
    assert (raised.skipped, raised.is_apart) == (frozenset(), False)
    (instant,) = set((await _instants(engine)).values())
    assert min(before, before - ahead) <= instant <= min(after, before - ahead)


@pytest.mark.parametrize("ahead", (-2 * MOST_APART, 2 * MOST_APART), ids=["own clock leaps", "database's clock leaps"])
async def test_not_at_all_where_the_clocks_are_apart(engine: AsyncEngine, ahead: timedelta) -> None:
    async with engine.begin() as connection:
        raised = await raise_idle(connection, await _now(connection) - ahead)
        await raise_busy(connection, 3, await _now(connection) - ahead)
    assert raised.is_apart
    assert abs(raised.ahead - ahead) < _SECOND * 4
    assert set((await _instants(engine)).values()) == {_BEGINNING}


@pytest.mark.parametrize("sign", (-1, 1))
def test_clocks_are_apart_beyond_the_bound(sign: int) -> None:
    assert not Raised(sign * MOST_APART, frozenset()).is_apart
    assert Raised(sign * (MOST_APART + timedelta(microseconds=1)), frozenset()).is_apart


async def test_shards_that_are_closed_are_not_raised(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE shards SET closed_at = clock_timestamp() WHERE shard = 3"))
        now = await _now(connection)
        assert (await raise_idle(connection, now)).skipped == frozenset()
        await raise_busy(connection, 3, now)
        assert await raise_to(connection, now + _SECOND, {}) == []
    instants = await _instants(engine)
    assert instants.pop(3) == _BEGINNING
    assert set(instants.values()) == {now + _SECOND}


async def test_whoever_writes_is_left_alone_and_nothing_is_lowered(engine: AsyncEngine) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE shards SET last_instant = :later WHERE shard = 1"), {"later": later})
    async with engine.begin() as writing, engine.connect() as connection:
        await lock_shards(writing, [3, 5])
        assert (await raise_idle(connection, await _now(connection))).skipped == {3, 5}
        with pytest.raises(asyncpg.LockNotAvailableError):
            await raise_busy(connection, 3, await _now(connection))
        await connection.rollback()
        assert (await raise_idle(connection, await _now(connection))).skipped == {3, 5}
        await connection.commit()
    instants = await _instants(engine)
    assert instants.pop(1) == later
    assert [shard for shard, instant in instants.items() if instant == _BEGINNING] == [3, 5]
    before = await _instants(engine)
    async with engine.begin() as connection:
        await raise_busy(connection, 3, await _now(connection))
        await raise_busy(connection, 1, await _now(connection))
    after = await _instants(engine)
    assert [shard for shard, instant in after.items() if instant != before[shard]] == [3]
    assert after[3] > _BEGINNING


async def test_a_shard_that_is_always_written_to_is_waited_for_every_third_time(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited_for = []

    async def noted(connection: AsyncConnection, shard: int, own: datetime) -> None:
        waited_for.append(shard)
        await raise_busy(connection, shard, own)

    monkeypatch.setattr(idle, "raise_busy", noted)
    monkeypatch.setattr(idle, "RAISE_SECONDS", 0.0)
    shards = IdleShards(engine)
    async with engine.begin() as writing, engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await lock_shards(writing, [3])
        for _ in range(7):
            await shards.raise_them(connection)
    assert waited_for == [3, 3]


async def test_raising_to_what_was_closed_tells_what_is_not(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        closed = await _now(connection)
        assert await raise_to(connection, closed, {}) == []
        row = "INSERT INTO log VALUES (:shard, :position, :instant, 'notices', NULL, '', '')"
        for shard, position, instant in ((4, 1, closed), (4, 2, closed + _SECOND), (6, 1, closed), (7, 1, closed)):
            await connection.execute(text(row), {"shard": shard, "position": position, "instant": instant})
        assert await raise_to(connection, closed, {4: 1, 6: 0}) == [(6, 1), (7, 1)]
        assert await raise_to(connection, closed + _SECOND, {4: 1, 6: 1, 7: 1}) == [(4, 2)]
    assert set((await _instants(engine)).values()) == {closed + _SECOND}
