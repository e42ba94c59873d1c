"""Leases on work that one process does at a time: a relay's slot, or a maintenance chore.

Leases are for liveness only. Kafka's fencing keeps a second relay out; a chore's step does no harm if done twice.
"""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.refusal import StillAtWork


def live(table: str) -> str:
    """Return the SQL condition for a live lease with a duration of `:seconds`."""
    return f"""({table}.expires_at BETWEEN clock_timestamp()
            -- Further ahead than any lease lasts: the clock has gone back since it was taken.
            AND clock_timestamp() + make_interval(secs => 10 * :seconds))"""


async def take_lease(connection: AsyncConnection, number: int, slot: int, owner: str, seconds: float) -> bool:
    """Take or renew the lease of one of `number` slots, by the database's clock.

    Return False while another relay holds it, or if the number of slots is different.
    """
    values = {"number": number, "what": slot, "owner": owner, "seconds": seconds}
    return (await connection.execute(_TAKE_SLOT, values)).scalar_one_or_none() is not None


async def give_up_lease(connection: AsyncConnection, slot: int, owner: str) -> None:
    """Release a slot's lease, so that the next relay can start at once."""
    values = {"slot": slot, "owner": owner}
    await connection.execute(text("DELETE FROM relay_leases WHERE slot = :slot AND owner = :owner"), values)


async def insist_on_no_lease(connection: AsyncConnection) -> None:
    """Raise StillAtWork while a relay holds a lease."""
    held = (await connection.execute(_HELD)).first()
    if held is not None:
        raise StillAtWork(
            f"A relay works ({held.owner}), or was killed, and its lease lasts for {held.seconds:.0f} s: stop it, and "
            "try again."
        )


async def take_chore(connection: AsyncConnection, chore: str, owner: str, seconds: float) -> bool:
    """Take or renew the lease of a chore, by the database's clock; return False while another process holds it."""
    values = {"what": chore, "owner": owner, "seconds": seconds}
    return (await connection.execute(_TAKE_CHORE, values)).scalar_one_or_none() is not None


async def give_up_chore(connection: AsyncConnection, chore: str, owner: str, *, is_done: bool) -> None:
    """Release the lease of a chore; with `is_done`, record that nothing was left to do."""
    await connection.execute(_GIVE_UP_CHORE, {"chore": chore, "owner": owner, "is_done": is_done})


async def chores_done(connection: AsyncConnection) -> dict[str, datetime | None]:
    """Return each chore that was ever begun, and when it was last finished (None: never)."""
    return {row.chore: row.done_at for row in await connection.execute(text("SELECT chore, done_at FROM chores"))}


def _take(table: str, key: str, where: str = "") -> str:
    return f"""
    INSERT INTO {table} ({key}, owner, expires_at)
    SELECT :what, :owner, clock_timestamp() + make_interval(secs => :seconds) {where}
    ON CONFLICT ({key}) DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at
        WHERE {table}.owner = excluded.owner OR NOT {live(table)}
    RETURNING {key}
    """


_HELD = text(
    """
    SELECT owner, EXTRACT(epoch FROM expires_at - clock_timestamp()) AS seconds
    FROM relay_leases WHERE expires_at > clock_timestamp() LIMIT 1
    """
)
_TAKE_SLOT = text(
    _take("relay_leases", "slot", "FROM (SELECT FROM relay_slots WHERE number = :number FOR SHARE) AS divided")
)
_TAKE_CHORE = text(_take("chores", "chore"))
_GIVE_UP_CHORE = text(
    """
    UPDATE chores SET expires_at = '-infinity', done_at = CASE WHEN :is_done THEN clock_timestamp() ELSE done_at END
    WHERE chore = :chore AND owner = :owner
    """
)
