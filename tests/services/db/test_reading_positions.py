"""Reading positions: written with the heads of shards, in order, and never lower than before."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.reading_positions import ReadingWentBack, Span, forget_reading, read_at_least, reading_positions
from db.shards import lock_shards, move_heads
from tests.support.waiting import until

_WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")


async def _begin(engine: AsyncEngine, **offsets: int) -> None:
    async with engine.begin() as connection:
        for topic, offset in offsets.items():
            await read_at_least(connection, topic, {0: offset, 1: offset})


async def _read(engine: AsyncEngine, shard: int, *spans: Span) -> None:
    async with engine.begin() as connection:
        heads, _ = await lock_shards(connection, [shard])
        await move_heads(connection, heads, spans)


async def _positions(engine: AsyncEngine, topic: str) -> dict[int, int]:
    async with engine.connect() as connection:
        return await reading_positions(connection, topic)


async def _ahead(engine: AsyncEngine) -> list[tuple[str, int, int, list[int]]]:
    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT * FROM read_ahead ORDER BY topic, partition, last_offset"))
        return [tuple(row) for row in rows]


async def test_each_span_goes_on_where_the_one_before_ended(engine: AsyncEngine) -> None:
    await _begin(engine, a=5, b=0)
    await _read(engine, 1, Span("a", 0, 5, 9), Span("b", 1, 0, 2))
    await _read(engine, 2, Span("a", 0, 9, 12))
    assert await _positions(engine, "a") == {0: 12, 1: 5}
    assert await _positions(engine, "b") == {0: 0, 1: 2}


async def test_who_comes_late_lowers_nothing(engine: AsyncEngine) -> None:
    await _begin(engine, a=0)
    await _read(engine, 1, Span("a", 0, 0, 9))
    await _read(engine, 2, Span("a", 0, 0, 4))
    await _begin(engine, a=3)
    assert await _positions(engine, "a") == {0: 9, 1: 3}


@pytest.mark.parametrize("partition", (0, 7))
async def test_what_does_not_go_on_is_not_committed(engine: AsyncEngine, partition: int) -> None:
    await _begin(engine, a=5, b=5)
    with pytest.raises(ReadingWentBack, match=f"a/{partition} to 6"):
        await _read(engine, 1, Span("b", 0, 5, 9), Span("a", partition, 6, 9))
    assert (await _positions(engine, "a"), await _positions(engine, "b")) == ({0: 5, 1: 5}, {0: 5, 1: 5})


async def test_what_is_decided_ahead_is_noted_until_the_position_is_past_it(engine: AsyncEngine) -> None:
    await _begin(engine, a=0, b=0)
    await _read(engine, 1, Span("a", 0, 0, 0, ahead=(4, 6)), Span("b", 0, 0, 1, ahead=(8,)))
    await _read(engine, 2, Span("a", 0, 0, 2, ahead=(3,)))
    # As whoever reads them again may decide them, together with others.
    await _read(engine, 3, Span("a", 0, 0, 0, ahead=(5, 6)))
    assert await _ahead(engine) == [("a", 0, 3, [3]), ("a", 0, 6, [4, 6, 5, 6]), ("b", 0, 8, [8])]
    await _read(engine, 1, Span("a", 0, 2, 5, passed=(3, 6)))
    assert await _ahead(engine) == [("a", 0, 6, [4, 6, 5, 6]), ("b", 0, 8, [8])]
    await _read(engine, 1, Span("a", 0, 5, 6, passed=(6,)))
    assert await _ahead(engine) == [("a", 0, 6, [4, 6, 5, 6]), ("b", 0, 8, [8])], "the last of them is still to come"
    await _read(engine, 1, Span("a", 0, 6, 7, passed=(6,)))
    assert await _ahead(engine) == [("b", 0, 8, [8])]
    assert await _positions(engine, "a") == {0: 7, 1: 0}


async def test_what_was_decided_ahead_and_is_gone_is_not_passed(engine: AsyncEngine) -> None:
    """As in a database that was restored to a state between the two."""
    await _begin(engine, a=0)
    with pytest.raises(ReadingWentBack):
        await _read(engine, 1, Span("a", 0, 0, 9, passed=(8,)))
    assert await _positions(engine, "a") == {0: 0, 1: 0}
    # If somebody else has read up to there, it need not be noted.
    await _read(engine, 1, Span("a", 0, 0, 9))
    await _read(engine, 1, Span("a", 0, 0, 10, passed=(8,)))
    with pytest.raises(ReadingWentBack):
        await _read(engine, 1, Span("a", 0, 10, 11, passed=(10,)))
    assert await _positions(engine, "a") == {0: 10, 1: 0}


async def test_a_topic_that_is_forgotten_is_alone_in_that(engine: AsyncEngine) -> None:
    await _begin(engine, a=5, b=5)
    await _read(engine, 1, Span("a", 0, 5, 5, ahead=(7,)), Span("b", 1, 5, 5, ahead=(7,)))
    async with engine.begin() as connection:
        assert await forget_reading(connection, "a") == 2
    assert await _ahead(engine) == [("b", 1, 7, [7])]
    assert (await _positions(engine, "a"), await _positions(engine, "b")) == ({}, {0: 5, 1: 5})


async def test_zombie_and_successor_do_not_wait_in_a_circle(engine: AsyncEngine) -> None:
    """In different shards, each naming its partitions in an order of its own."""
    async with engine.begin() as connection:
        # So many that they are looked up one by one.
        await read_at_least(connection, "a", dict.fromkeys(range(5000), 0))
        await connection.execute(text("ANALYZE reading_positions"))
    there = [Span("a", partition, 0, 3) for partition in range(5000)]
    back = there[::-1]
    async with engine.begin() as holding:
        await holding.execute(text("SELECT FROM reading_positions FOR UPDATE"))
        reading = [asyncio.create_task(_read(engine, shard, *spans)) for shard, spans in ((1, there), (2, back))]

        async def waiting() -> bool:
            async with engine.connect() as connection:
                return bool((await connection.execute(_WAITING)).scalar_one() == 2)

        await until(waiting, "both")
    await asyncio.gather(*reading)
    assert set((await _positions(engine, "a")).values()) == {3}
