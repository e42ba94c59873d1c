"""A lower bound of what is published, stored in addition to the positions on Kafka so that losing those is detected.

The relay raises it from time to time after its transactions: if a position on Kafka is lower, Kafka has lost records.
"""

from collections.abc import Mapping

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.driver import fetch


async def published_at_least(connection: AsyncConnection) -> dict[int, int]:
    """Return the position up to which each shard's log is certainly published."""
    return {row.shard: row.position for row in await connection.execute(_READ)}


async def unpublished(connection: "AsyncConnection | asyncpg.Connection[asyncpg.Record]") -> int:
    """Return how many rows of the log are not known to be published."""
    (row,) = await fetch(connection, _LEFT)
    return int(row["behind"])


async def note_published(connection: AsyncConnection, positions: Mapping[int, int]) -> None:
    """Raise the bounds to positions that are committed on Kafka."""
    values = {"shards": sorted(positions), "positions": [positions[shard] for shard in sorted(positions)]}
    await connection.execute(_NOTE, values)


async def forget_published(connection: AsyncConnection) -> None:
    """Delete the bounds: the relay then starts from the positions on Kafka, or at the beginning if there are none."""
    await connection.execute(text("DELETE FROM published"))


_READ = text("SELECT shard, position FROM published")
_LEFT = text(
    """
    SELECT coalesce(sum(shards.position - coalesce(published.position, shards.begins_after)), 0) AS behind
    FROM shards LEFT JOIN published USING (shard)
    """
)
_NOTE = text(
    """
    INSERT INTO published (shard, position)
    SELECT * FROM unnest(CAST(:shards AS smallint[]), CAST(:positions AS bigint[]))
    ON CONFLICT (shard) DO UPDATE SET position = excluded.position WHERE published.position < excluded.position
    """
)
