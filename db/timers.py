"""What is due: scheduled bindings, ends of waits, expiring payment profiles, and fan-outs that go on."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.fold import Due, DueKind


async def due(connection: AsyncConnection, limit: int) -> list[Due]:
    """Give up to `limit` of each kind of what is due by the database's clock, the longest due first."""
    rows = await connection.execute(_DUE, {"row_limit": limit})
    return [Due(DueKind(row.kind), row.organization, row.name) for row in rows]


async def next_due(connection: AsyncConnection) -> datetime | None:
    """Give when something is due next; None when nothing is."""
    instant: datetime | None = (await connection.execute(_NEXT)).scalar_one()
    return instant


_DUE = text(
    """
    (
        SELECT CASE kind WHEN 'Scheduled' THEN 'ScheduledBinding' ELSE 'WaitingBinding' END AS kind, organization,
            project AS name
        FROM pending_bindings AS pending
        WHERE due_at <= clock_timestamp() AND (
            kind = 'Scheduled' OR NOT EXISTS (  -- who queues behind another is served after it, however late
                SELECT FROM pending_bindings AS earlier
                WHERE (earlier.organization, earlier.project) = (pending.organization, pending.project)
                    AND earlier.kind = 'Waiting' AND earlier.number < pending.number
            )
        )
        ORDER BY due_at LIMIT :row_limit
    ) UNION ALL (
        SELECT 'PaymentProfile', organization, payment_profile
        FROM payment_profiles WHERE due_at <= clock_timestamp() ORDER BY due_at LIMIT :row_limit
    ) UNION ALL (
        SELECT 'FanOut', organization, account
        FROM fan_outs GROUP BY organization, account ORDER BY min(instant) LIMIT :row_limit
    )
    """
)
_NEXT = text(
    """
    SELECT least(
        (SELECT min(due_at) FROM pending_bindings WHERE due_at > clock_timestamp()),
        (SELECT min(due_at) FROM payment_profiles WHERE due_at > clock_timestamp())
    )
    """
)
