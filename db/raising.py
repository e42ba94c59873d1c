"""Raising the last instants of shards where nothing is written, which closes them further (db/closing.py).

Whoever locks a shard gives later instants than its last one. So any instant may be raised at any time by whoever holds
the lock: it bounds what comes. What must not be is that time which has not passed yet is closed: no clock is believed
alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.driver import fetch

MOST_APART = timedelta(seconds=5)
"""How far the database's clock and one's own may be apart: beyond that no instant is raised by either."""
_WAIT = "100ms"


@dataclass(frozen=True, slots=True)
class Raised:
    """What came of raising idle shards: how far ahead of one's own clock the database's is, and who was skipped."""

    ahead: timedelta
    skipped: frozenset[int]

    @property
    def is_apart(self) -> bool:
        """Whether the clocks are so far apart that nothing was raised."""
        return abs(self.ahead) > MOST_APART


async def raise_idle(connection: AsyncConnection, own: datetime) -> Raised:
    """Raise the last instant of all shards that nobody is writing to, to the earlier of the two clocks; lower none.

    Nothing is raised while the clocks are too far apart. Those that somebody is writing to are skipped: whoever does
    raises them.
    """
    (found,) = await fetch(connection, _RAISE, own=own, most_apart=MOST_APART)
    return Raised(found["ahead"], frozenset(found["skipped"]))


async def raise_busy(connection: AsyncConnection, shard: int, own: datetime) -> None:
    """Raise a shard likewise, waiting for whoever writes to it, but not long: then it fails with LockNotAvailable."""
    await connection.execute(text(f"SET LOCAL lock_timeout = '{_WAIT}'"))
    await fetch(connection, _RAISE_ONE, shard=shard, own=own, most_apart=MOST_APART)


async def raise_to(
    connection: AsyncConnection, instant: datetime, published: Mapping[int, int]
) -> list[tuple[int, int]]:
    """Raise all shards to an instant at least, so that whatever comes is later.

    Return the places in the log (shard, position) of rows at or before it that are not published: what was told to be
    closed is not, and the database is another one than it was. Of the positions up to which each shard is published
    there must be none that is published later than the instant was closed.
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
"""The bound may be read before the locks: whoever gets one later gives instants later than the last that it finds."""
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
"""Instants rise with positions, so that the first row that is not published is the earliest."""
