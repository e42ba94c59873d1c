"""The log: gapless, chained, announced, read in order and in pages, and partitioned ahead of time."""

import asyncio
import hashlib
import struct
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db import log
from db.engine import listening_connection
from db.log import append, chain_rows, ensure_partitions, read, row_at
from db.shards import NOTIFY_CHANNEL, Head, all_heads, lock_shards, move_heads
from schemas.events import NoticeKind, ProjectBillingNotice
from schemas.outgoing import Outgoing
from tests.support.waiting import patience

_NOW = datetime(2026, 7, 1, tzinfo=UTC)


def notice(number: int, *, key: bytes | None = b"acme/web", length: int = 0) -> Outgoing:
    """Return an event; its message has at least `length` characters."""
    event = ProjectBillingNotice(
        organization="acme",
        project="web",
        account=None,
        kind=NoticeKind.PAYER_MISSING,
        reason="ProjectUnbound",
        message=f"{number}" + "x" * length,
    )
    return Outgoing(event=event, boundary="acme", subject="acme/web", key=key, time=_NOW)


async def _appended(engine: AsyncEngine, *outgoing: tuple[int, Outgoing]) -> list[int]:
    async with engine.begin() as connection:
        return await _append(connection, *outgoing)


async def _append(connection: AsyncConnection, *outgoing: tuple[int, Outgoing]) -> list[int]:
    heads, now = await lock_shards(connection, {shard for shard, _ in outgoing})
    rows, moved = chain_rows(heads, outgoing, "/whopays/test", now)
    await append(connection, rows)
    await move_heads(connection, moved)
    return [position for _, position, *_ in rows]


async def test_positions_are_gapless_and_each_hash_covers_the_row_before(engine: AsyncEngine) -> None:
    assert await _appended(engine, (4, notice(1)), (2, notice(2)), (4, notice(3, key=None))) == [1, 1, 2]
    async with engine.connect() as connection:
        await _append(connection, (4, notice(4)))
        await connection.rollback()
    assert await _appended(engine, (4, notice(5))) == [3]
    async with engine.connect() as connection:
        rows = (await connection.execute(text("SELECT * FROM log ORDER BY shard, position"))).all()
        shards = (
            await connection.execute(text("SELECT shard, position, hash FROM shards WHERE position > 0 ORDER BY shard"))
        ).all()
    assert [(row.shard, row.position) for row in rows] == [(2, 1), (4, 1), (4, 2), (4, 3)]
    hashes = {2: b"", 4: b""}
    for row in rows:
        key = b"" if row.key is None else b"\x01" + row.key
        covered = b"".join(struct.pack(">Q", len(part)) + part for part in (row.topic.encode(), key, row.value))
        hashes[row.shard] = hashlib.sha256(hashes[row.shard] + covered).digest()
        assert row.hash == hashes[row.shard]
    assert [tuple(row) for row in shards] == [(2, 1, hashes[2]), (4, 3, hashes[4])]


async def test_an_absent_key_is_not_an_empty_one() -> None:
    assert log.row_hash(b"", "t", None, b"v") != log.row_hash(b"", "t", b"", b"v")


async def test_a_head_moves_by_its_instant_even_when_nothing_is_appended(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        heads, now = await lock_shards(connection, [1])
        rows, moved = chain_rows(heads, [], "/whopays/test", now)
        assert (rows, moved) == ([], {1: Head(0, b"", now, now)})
        await append(connection, rows)
        await move_heads(connection, moved)
    async with engine.connect() as connection:
        assert (await all_heads(connection))[1] == Head(0, b"", now, now)


async def test_the_commit_is_announced(engine: AsyncEngine) -> None:
    announced = asyncio.Event()
    url = engine.url.render_as_string(hide_password=False)
    async with listening_connection(url) as listening:
        await listening.add_listener(NOTIFY_CHANNEL, lambda *_: announced.set())
        async with engine.begin() as connection:
            await _append(connection, (1, notice(1)))
            await listening.execute("SELECT 1")
            assert not announced.is_set()
        await asyncio.wait_for(announced.wait(), patience(10))


async def test_reading_in_portions(engine: AsyncEngine) -> None:
    await _appended(engine, *((shard, notice(number)) for number in range(5) for shard in (1, 2)))
    await _appended(engine, *((3, notice(number, length=1000)) for number in range(5)))

    async def found(after: dict[int, int], *limits: int) -> list[tuple[int, int]]:
        async with engine.connect() as connection:
            return [(row.shard, row.position) for row in await read(connection, after, *limits)]

    assert await found({2: 3, 1: 0}, 2) == [(1, 1), (1, 2), (2, 4), (2, 5)]
    assert await found({1: 5}, 2) == []
    assert await found({3: 0}, 9, 1) == [(3, 1)], "one row at least, however large"
    async with engine.connect() as connection:
        (first, second) = await read(connection, {3: 0}, 2)
    assert await found({3: 0}, 9, len(first.value)) == [(3, 1)]
    assert await found({3: 0}, 9, len(first.value) + len(second.value)) == [(3, 1), (3, 2)]
    assert await found({3: 0, 1: 4}, 9, 2100) == [(1, 5), (3, 1), (3, 2)]
    async with engine.connect() as connection:
        row = await row_at(connection, 1, 3)
        assert row is not None
        assert row.position == 3
        assert await row_at(connection, 1, 6) is None


async def test_partitions_are_made_before_they_are_needed(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "PARTITION_POSITIONS", 1_000_000)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE shards SET position = 999998, hash = 'h' WHERE shard = 1"))
    await _appended(engine, *((1, notice(number)) for number in range(3)))
    async with engine.connect() as connection:
        places = await connection.execute(text("SELECT tableoid::regclass::text, position FROM log ORDER BY position"))
        assert [tuple(row) for row in places] == [("log_p0", 999_999), ("log_p1", 1_000_000), ("log_p1", 1_000_001)]
        assert [row.position for row in await read(connection, {1: 999_998}, 9)] == [999_999, 1_000_000, 1_000_001]

    async def ensure() -> None:
        async with engine.begin() as connection:
            await ensure_partitions(connection)

    async with engine.begin() as writing:
        await _append(writing, (2, notice(1)))
        await asyncio.wait_for(asyncio.gather(ensure(), ensure()), patience(10))
    async with engine.connect() as connection:
        partitions = await connection.execute(
            text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'log'::regclass ORDER BY 1")
        )
        assert list(partitions.scalars()) == ["log_p0", "log_p1", "log_p2"]
