"""Which relay works on a slot. A lease is for liveness only: Kafka's fencing keeps others out."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


async def take_lease(connection: AsyncConnection, slot: int, owner: str, seconds: float) -> bool:
    """Take or renew a slot's lease by the database's clock; return False while another relay holds it."""
    values = {"slot": slot, "owner": owner, "seconds": seconds}
    return (await connection.execute(_TAKE, values)).scalar_one_or_none() is not None


async def give_up_lease(connection: AsyncConnection, slot: int, owner: str) -> None:
    """Release a slot's lease, so that the next relay can start at once."""
    values = {"slot": slot, "owner": owner}
    await connection.execute(text("DELETE FROM relay_leases WHERE slot = :slot AND owner = :owner"), values)


_TAKE = text(
    """
    INSERT INTO relay_leases (slot, owner, expires_at)
    VALUES (:slot, :owner, clock_timestamp() + make_interval(secs => :seconds))
    ON CONFLICT (slot) DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at
        WHERE relay_leases.owner = excluded.owner OR relay_leases.expires_at < clock_timestamp()
            -- Further ahead than any lease lasts: the clock has gone back since it was taken.
            OR relay_leases.expires_at > clock_timestamp() + make_interval(secs => 10 * :seconds)
    RETURNING slot
    """
)
