"""The one lock: shards are locked in rising order, the second writer waits, and its instant is later."""

import asyncio
from datetime import UTC, datetime, timedelta
from random import Random

from aiokafka.partitioner import DefaultPartitioner
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.placing import shard_of
from db.shards import Head, all_heads, lock_shards
from tests.support.waiting import until


async def _waiting(connection: AsyncConnection) -> int:
    """Count the sessions of this database that wait for another's row."""
    statement = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' "
        "AND pid <> pg_backend_pid()"
    )
    found: int = (await connection.execute(statement)).scalar_one()
    await connection.rollback()
    return found


async def _clock(connection: AsyncConnection) -> datetime:
    instant: datetime = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
    return instant


def _ends(heads: dict[int, Head]) -> dict[int, tuple[int, bytes]]:
    return {shard: (head.position, head.hash) for shard, head in heads.items()}


async def test_the_second_writer_waits_and_reads_its_instant_afterwards(engine: AsyncEngine) -> None:
    async def second() -> tuple[dict[int, Head], datetime]:
        async with engine.begin() as connection:
            return await lock_shards(connection, [7, 5])

    async with engine.connect() as watching, engine.connect() as first:
        heads, _ = await lock_shards(first, [5, 3])
        assert _ends(heads) == {3: (0, b""), 5: (0, b"")}
        waiting = asyncio.create_task(second())

        async def is_waiting() -> bool:
            return await _waiting(watching) == 1

        await until(is_waiting, "the second writer at the lock")
        assert not waiting.done()
        await first.execute(text("UPDATE shards SET position = 9, hash = 'later' WHERE shard = 5"))
        last = await _clock(first)
        await first.commit()
        heads, instant = await waiting
    assert _ends(heads) == {5: (9, b"later"), 7: (0, b"")}
    assert instant > last


async def test_no_instant_is_given_out_twice_though_the_clock_steps_back(engine: AsyncEngine) -> None:
    ahead = datetime(2999, 1, 1, tzinfo=UTC)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE shards SET last_instant = :ahead WHERE shard = 5"), {"ahead": ahead})
    async with engine.connect() as connection:
        now = await _clock(connection)
        _, alone = await lock_shards(connection, [3])
        assert now <= alone < ahead
        # The latest of several shards counts: all decisions of a batch share one clock.
        _, together = await lock_shards(connection, [3, 5])
    assert together == ahead + timedelta(microseconds=1)


async def test_other_shards_are_free(engine: AsyncEngine) -> None:
    async with engine.begin() as first, engine.begin() as second:
        await lock_shards(first, [1, 2])
        await second.execute(text("SET LOCAL lock_timeout = '1s'"))
        heads, _ = await lock_shards(second, [0, 3])
        assert set(heads) == {0, 3}


async def test_many_writers_never_deadlock(engine: AsyncEngine) -> None:
    chance = Random(7)
    turns = 25

    async def write(shards: list[int]) -> None:
        for _ in range(turns):
            chance.shuffle(shards)
            async with engine.begin() as connection:
                heads, _ = await lock_shards(connection, shards)
                for shard, head in heads.items():
                    values = {"shard": shard, "position": head.position + 1}
                    await connection.execute(
                        text("UPDATE shards SET position = :position WHERE shard = :shard"), values
                    )

    await asyncio.gather(write([1, 2, 3, 4]), write([3, 4, 5]), write([5, 4, 1]), write([2, 5, 1]))
    async with engine.connect() as connection:
        heads = await all_heads(connection)
    assert {shard: heads[shard].position for shard in (1, 2, 3, 4, 5)} == {
        1: 3 * turns, 2: 2 * turns, 3: 2 * turns, 4: 3 * turns, 5: 3 * turns
    }  # fmt: skip


def test_a_shard_is_kafkas_partition() -> None:
    partition = DefaultPartitioner()
    for name in ("acme", "a", "globex-2", "z" * 253):
        assert shard_of(name, 48) == partition(name.encode(), list(range(48)), list(range(48)))
        assert shard_of(name, 48) % 12 == partition(name.encode(), list(range(12)), list(range(12)))
