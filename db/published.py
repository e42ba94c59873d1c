"""A lower bound of what is published, beside the positions on Kafka, which would be missed if they were lost.

The relay notes it after its transactions, now and then: a position on Kafka below it cannot be the one that was there.
"""

from collections.abc import Mapping

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


async def published_at_least(connection: AsyncConnection) -> dict[int, int]:
    """Return the position of each shard's log up to which it is published for certain."""
    return {row.shard: row.position for row in await connection.execute(_READ)}


async def unpublished(connection: AsyncConnection) -> int:
    """Return how many rows of the log are not known to be published."""
    return int((await connection.execute(_LEFT)).scalar_one())


async def note_published(connection: AsyncConnection, positions: Mapping[int, int]) -> None:
    """Raise the bounds to positions that are committed on Kafka."""
    values = {"shards": sorted(positions), "positions": [positions[shard] for shard in sorted(positions)]}
    await connection.execute(_NOTE, values)


async def forget_published(connection: AsyncConnection) -> None:
    """Let the relay begin wherever the positions on Kafka say, or at the beginning where these say nothing."""
    await connection.execute(text("DELETE FROM published"))


_READ = text("SELECT shard, position FROM published")
_LEFT = text(
    """
    SELECT coalesce(sum(shards.position - coalesce(published.position, 0)), 0)
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
