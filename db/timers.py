"""What is due: scheduled bindings, ends of waits, expiring payment profiles, and unfinished fan-outs."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.messages import Due, DueKind


async def due(connection: AsyncConnection, limit: int) -> list[Due]:
    """Return up to `limit` items due by the database's clock, longest overdue first; fan-outs are not included."""
    rows = await connection.execute(_DUE, {"row_limit": limit})
    return [Due(DueKind(row.kind), row.organization, row.name) for row in rows]


async def unfinished_fan_outs(connection: AsyncConnection, limit: int) -> list[Due]:
    """Return up to `limit` accounts with unfinished fan-outs, the oldest first."""
    rows = await connection.execute(_FAN_OUTS, {"row_limit": limit})
    return [Due(DueKind.FAN_OUT, row.organization, row.account) for row in rows]


# A profile that expires at the same instant as a scheduled binding has expired by then.
_DUE = text(
    """
    SELECT kind, organization, name FROM ((
        SELECT 2 AS rank, CASE kind WHEN 'Scheduled' THEN 'ScheduledBinding' ELSE 'WaitingBinding' END AS kind,
            organization, project AS name, due_at
        FROM pending_bindings AS pending
        WHERE due_at <= clock_timestamp() AND (
            kind = 'Scheduled' OR NOT EXISTS (  -- a binding that queues behind another waits for it, however late
                SELECT FROM pending_bindings AS earlier
                WHERE (earlier.organization, earlier.project) = (pending.organization, pending.project)
                    AND earlier.kind = 'Waiting' AND earlier.number < pending.number
            )
        )
        ORDER BY due_at LIMIT :row_limit
    ) UNION ALL (
        SELECT 1, 'PaymentProfile', organization, payment_profile, due_at
        FROM payment_profiles WHERE due_at <= clock_timestamp() ORDER BY due_at LIMIT :row_limit
    )) AS due
    ORDER BY due_at, rank, organization, name LIMIT :row_limit
    """
)
_FAN_OUTS = text(
    """
    SELECT organization, account FROM fan_outs
    GROUP BY organization, account ORDER BY min(instant), organization, account LIMIT :row_limit
    """
)
