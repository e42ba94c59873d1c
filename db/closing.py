"""Closed instants: no future change can lie at or before them (docs/contract.md section 7, docs/decisions/0021).

A shard is closed up to an instant when everything at or before it is published, and no future event can get an instant
at or before it. A transaction that locks a shard's row gets an instant later than its `last_instant`, so a row
(position, last_instant) bounds the events after that position. Instants rise with positions, so the first unpublished
row of the log is a bound, too.
"""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.closed import CLOSED_INSTANT
from db.driver import fetch


async def closed_instants(connection: AsyncConnection) -> dict[int, datetime]:
    """Return each shard's closed instant (inclusive), according to the database.

    All of the shard's events at or before it are published, and none will be added: payers until then are final. It may
    lag what Kafka has by about a second (the relay records its progress from time to time), but never runs ahead of it;
    it never decreases, unless the database was restored to an earlier state. The relay advances an idle shard's about
    once a second. A shard without one, because no relay has run yet, is left out.

    One statement: in a transaction with one snapshot (REPEATABLE READ), the result is of that snapshot.
    """
    rows = await fetch(connection, _CLOSED)
    return {row["shard"]: row["closed"] for row in rows if row["closed"] is not None}


async def closed_until(connection: AsyncConnection) -> datetime | None:
    """Return the instant (inclusive) up to which all shards are closed; None if it is unknown for any of them.

    It is as final as a watermark's `closedUntil`; watermarks are only written from time to time, so the latest may be
    earlier or later.
    """
    rows = await fetch(connection, _CLOSED)
    # A closed shard gets no more rows: once it is fully published, it does not hold the others back.
    closed = [row["closed"] for row in rows if not row["is_over"]]
    return None if not closed or None in closed else min(closed)


_CLOSED = text(
    f"""
    SELECT shards.shard, {CLOSED_INSTANT} AS closed,
        closed_at IS NOT NULL AND shards.position <= coalesce(published.position, shards.begins_after) AS is_over
    FROM shards LEFT JOIN published USING (shard)
    """
)
