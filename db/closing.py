"""Closed instants: up to which no later change can lie (docs/contract.md section 7, docs/decisions/0021).

A shard is closed up to an instant when everything at or before it is published, and nothing that is still to come can
get an instant at or before it. Whoever locks a shard's row gets an instant later than its `last_instant`, so a row
(position, last_instant) bounds what comes after that position; and instants rise with positions, so that the first row
of the log that is not published bounds what comes, too.
"""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.closed import CLOSED_INSTANT
from db.driver import fetch


async def closed_instants(connection: AsyncConnection) -> dict[int, datetime]:
    """Return for each shard the instant, itself included, up to which it is closed, as the database knows it.

    At or before that instant the shard's events are all published, and none will be added: who paid until then is
    final. It may lag behind what Kafka has by about a second (the relay notes what it published from time to time), and
    never runs ahead of it; read again, it is never earlier, unless the database went back. An idle shard's advances by
    the relay, about once a second. A shard of which nothing is known yet, since no relay has run, is left out.

    One statement: in a transaction with one snapshot (REPEATABLE READ) it is of that snapshot.
    """
    rows = await fetch(connection, _CLOSED)
    return {row["shard"]: row["closed"] for row in rows if row["closed"] is not None}


async def closed_until(connection: AsyncConnection) -> datetime | None:
    """Return the instant, itself included, up to which all shards are closed; None where one of them is not known.

    As final as the `closedUntil` of a watermark, which is written now and then, and may lie before or after it.
    """
    rows = await fetch(connection, _CLOSED)
    # To those that are closed for good nothing is added: they hold nothing up once all of them is published.
    closed = [row["closed"] for row in rows if not row["is_over"]]
    return None if not closed or None in closed else min(closed)


_CLOSED = text(
    f"""
    SELECT shards.shard, {CLOSED_INSTANT} AS closed,
        closed_at IS NOT NULL AND shards.position <= coalesce(published.position, shards.begins_after) AS is_over
    FROM shards LEFT JOIN published USING (shard)
    """
)
