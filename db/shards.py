"""Shards: the organization decides, one writer at a time (docs/architecture.md)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from aiokafka.partitioner import murmur2
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a shard's log: its last position (0 when empty) and that row's hash."""

    position: int
    hash: bytes


@lru_cache(maxsize=65_536)
def shard_of(boundary: str, shards: int) -> int:
    """Give the shard of an organization, by Kafka's own partition function."""
    return int(murmur2(boundary.encode()) & 0x7FFFFFFF) % shards


async def lock_shards(connection: AsyncConnection, shards: Iterable[int]) -> tuple[dict[int, Head], datetime]:
    """Lock shards in rising order until the transaction ends; give their heads and the instant after the last lock.

    The instant is read after each lock was got, not at the start of the transaction or the statement, and is later than
    any that was given out in these shards before, even when the server's clock has stepped back.
    """
    rows = await connection.execute(_LOCK, {"shards": sorted(shards)})
    locked = rows.all()
    return {row.shard: Head(row.position, row.hash) for row in locked}, max(row.instant for row in locked)


async def all_heads(connection: AsyncConnection) -> dict[int, Head]:
    """Give the head of every shard's log, as committed."""
    rows = await connection.execute(text("SELECT shard, position, hash FROM shards"))
    return {row.shard: Head(row.position, row.hash) for row in rows}


_LOCK = text(
    """
    SELECT shard, position, hash, greatest(clock_timestamp(), last_instant + interval '1 microsecond') AS instant
    FROM (
        SELECT shard, position, hash, last_instant FROM shards WHERE shard = ANY(CAST(:shards AS smallint[]))
        ORDER BY shard FOR UPDATE
    ) AS locked
    """
)
