"""Raises the last instants of idle shards, which closes them further (db/closing.py).

A transaction that locks a shard assigns instants later than its last one. So a holder of the lock may raise the last
instant at any time: it is a lower bound for later events. But time that has not passed yet must never be closed, so no
single clock is trusted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.driver import fetch

MOST_APART = timedelta(seconds=5)
"""How far the database's clock and this process's may be apart: beyond that, no instant is raised."""
_LOCK_TIMEOUT = "100ms"


@dataclass(frozen=True, slots=True)
class Raised:
    """The outcome of `raise_idle`: how far the database's clock is ahead of ours, and which shards were skipped."""

    ahead: timedelta
    skipped: frozenset[int]

    @property
    def is_apart(self) -> bool:
        """Whether the clocks are so far apart that nothing was raised."""
        return abs(self.ahead) > MOST_APART


async def raise_idle(connection: AsyncConnection, own: datetime) -> Raised:
    """Raise the last instant of all unlocked shards to the earlier of the two clocks; never lower one.

    Nothing is raised while the clocks are too far apart. Locked shards are skipped: their writers raise them.
    """
    (found,) = await fetch(connection, _RAISE, own=own, most_apart=MOST_APART)
    return Raised(found["ahead"], frozenset(found["skipped"]))


async def raise_busy(connection: AsyncConnection, shard: int, own: datetime) -> None:
    """Raise one shard likewise, waiting briefly for its writer: after that it fails with LockNotAvailable."""
    await connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))
    await fetch(connection, _RAISE_ONE, shard=shard, own=own, most_apart=MOST_APART)


async def raise_to(
    connection: AsyncConnection, instant: datetime, published: Mapping[int, int]
) -> list[tuple[int, int]]:
    """Raise all shards to at least an instant, so that all later events are after it.

    Return the log places (shard, position) of unpublished rows at or before it: if there are any, an instant that was
    announced as closed is not, and this is not the same database state. `published` gives the position up to which each
    shard was published no later than the instant was closed.
    """
    await fetch(connection, _RAISE_TO, instant=instant)
    rows = await fetch(
        connection, _NOT_CLOSED, instant=instant, shards=list(published), positions=list(published.values())
    )
    return [(row["shard"], row["position"]) for row in rows]


_RAISE = text(
    """
    WITH clock AS MATERIALIZED (
        SELECT clock_timestamp() - CAST(:own AS timestamptz) AS ahead, least(clock_timestamp(), :own) AS bound
    ), behind AS MATERIALIZED (
        SELECT shards.shard FROM shards, clock
        WHERE closed_at IS NULL
            AND shards.last_instant < clock.bound AND greatest(ahead, -ahead) <= CAST(:most_apart AS interval)
    ), free AS MATERIALIZED (
        SELECT shards.shard FROM shards JOIN behind USING (shard) ORDER BY shard FOR UPDATE OF shards SKIP LOCKED
    ), raised AS (
        UPDATE shards SET last_instant = clock.bound FROM free, clock
        WHERE shards.shard = free.shard AND shards.last_instant < clock.bound
    )
    SELECT ahead, ARRAY(SELECT shard FROM behind EXCEPT SELECT shard FROM free) AS skipped FROM clock
    """
)
"""The bound may be read before the locks: a later holder assigns instants after the last one it finds."""
_RAISE_ONE = text(
    """
    WITH clock AS MATERIALIZED (
        SELECT clock_timestamp() - CAST(:own AS timestamptz) AS ahead, least(clock_timestamp(), :own) AS bound
    )
    UPDATE shards SET last_instant = clock.bound FROM clock
    WHERE shards.shard = CAST(:shard AS smallint) AND shards.last_instant < clock.bound AND closed_at IS NULL
        AND greatest(ahead, -ahead) <= CAST(:most_apart AS interval)
    """
)
_RAISE_TO = text(
    """
    WITH behind AS MATERIALIZED (
        SELECT shard FROM shards WHERE last_instant < CAST(:instant AS timestamptz) AND closed_at IS NULL
        ORDER BY shard FOR UPDATE
    )
    UPDATE shards SET last_instant = :instant FROM behind
    WHERE shards.shard = behind.shard AND shards.last_instant < :instant
    """
)
_NOT_CLOSED = text(
    """
    SELECT log.shard, log.position FROM shards
    LEFT JOIN unnest(CAST(:shards AS smallint[]), CAST(:positions AS bigint[])) AS published(shard, position)
        USING (shard)
    JOIN log ON log.shard = shards.shard AND log.position = coalesce(published.position, 0) + 1
    WHERE log.recorded_at <= CAST(:instant AS timestamptz)
    """
)
"""Instants rise with positions, so the first unpublished row is the earliest."""
