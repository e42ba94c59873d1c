"""The database side of monitoring: what is overdue, unpublished, or waiting for an operator."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.driver import fetch
from domain.messages import DueKind
from schemas.records import DeadLetterReason


@dataclass(frozen=True, slots=True)
class Overdue:
    """How many items of each kind are overdue, the age of the oldest in seconds, and the number of open fan-outs."""

    numbers: Mapping[DueKind, int]
    seconds: float
    fan_outs: int


async def overdue(connection: "AsyncConnection | asyncpg.Connection[asyncpg.Record]") -> Overdue:
    """Return what is due by the database's clock and not handled yet."""
    rows = await fetch(connection, _OVERDUE)
    seconds = max((float(row["seconds"] or 0) for row in rows), default=0.0)
    numbers = {DueKind(row["kind"]): int(row["number"]) for row in rows}
    return Overdue(numbers, seconds, numbers.pop(DueKind.FAN_OUT))


async def unpublished_age(connection: "AsyncConnection | asyncpg.Connection[asyncpg.Record]") -> float:
    """Return the age, in seconds, of the first event that is not known to be published; 0 if there is none."""
    (row,) = await fetch(connection, _UNPUBLISHED_AGE)
    return float(row["seconds"])


async def first_after(connection: AsyncConnection, positions: Mapping[int, int]) -> datetime | None:
    """Return the instant of the first event after these positions of each shard; None if there is none."""
    values = {"shards": list(positions), "positions": list(positions.values())}
    found: datetime | None = (await connection.execute(_FIRST_AFTER, values)).scalar_one()
    return found


async def waiting_dead_letters(
    connection: "AsyncConnection | asyncpg.Connection[asyncpg.Record]",
) -> dict[DeadLetterReason, int]:
    """Return how many dead letters of each reason are neither redriven nor discarded."""
    rows = await fetch(connection, _WAITING)
    found = {DeadLetterReason(row["reason"]): int(row["number"]) for row in rows}
    return {reason: found.get(reason, 0) for reason in DeadLetterReason}


_OVERDUE = text(
    """
    SELECT 'ScheduledBinding' AS kind, count(*) AS number,
        extract(epoch FROM clock_timestamp() - min(due_at)) AS seconds
    FROM pending_bindings WHERE kind = 'Scheduled' AND due_at <= clock_timestamp()
    UNION ALL
    SELECT 'WaitingBinding', count(*), extract(epoch FROM clock_timestamp() - min(due_at))
    FROM pending_bindings AS pending WHERE kind = 'Waiting' AND due_at <= clock_timestamp() AND NOT EXISTS (
        -- A binding that queues behind another waits for it, however late.
        SELECT FROM pending_bindings AS earlier
        WHERE (earlier.organization, earlier.project) = (pending.organization, pending.project)
            AND earlier.kind = 'Waiting' AND earlier.number < pending.number
    )
    UNION ALL
    SELECT 'PaymentProfile', count(*), extract(epoch FROM clock_timestamp() - min(due_at))
    FROM payment_profiles WHERE due_at <= clock_timestamp()
    UNION ALL
    -- These have no due time: they begin with a change of phase, and end when all projects are notified.
    SELECT 'FanOut', count(*), NULL FROM fan_outs
    """
)
_UNPUBLISHED_AGE = text(
    """
    SELECT coalesce(greatest(0, extract(epoch FROM clock_timestamp() - min(log.recorded_at))), 0) AS seconds
    FROM shards LEFT JOIN published USING (shard)
        JOIN log ON log.shard = shards.shard AND log.position = coalesce(published.position, shards.begins_after) + 1
    """
)
_FIRST_AFTER = text(
    """
    SELECT min(log.recorded_at) FROM unnest(CAST(:shards AS smallint[]), CAST(:positions AS bigint[]))
        AS published(shard, position)
        JOIN log ON log.shard = published.shard AND log.position = published.position + 1
    """
)
# One whose redrive was not confirmed to reach the topic waits, too.
_WAITING = text(
    """
    SELECT letter.reason, count(*) AS number FROM dead_letters AS letter WHERE NOT EXISTS (
        SELECT FROM dead_letter_actions AS action WHERE action.number = letter.number
    ) OR (
        SELECT action.redrive_id IS NOT NULL AND action.sent_at IS NULL FROM dead_letter_actions AS action
        WHERE action.number = letter.number ORDER BY ordinal DESC LIMIT 1
    ) GROUP BY letter.reason
    """
)
