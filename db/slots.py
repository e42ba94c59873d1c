"""The number of slots that the shards are divided into, and how processes share them (docs/decisions/0034).

Safety rests on the number: a relay reads it after its producer is initialised, and a process that changes it then
fences the producers of the old number. Slot ownership is for liveness only.
"""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.leases import live


@dataclass(frozen=True, slots=True)
class Division:
    """The number of slots; earlier numbers whose producers may not be fenced yet; and how often it has changed."""

    number: int
    unfenced: frozenset[int]
    change: int


@dataclass(frozen=True, slots=True)
class Sharing:
    """The free slots, and the most slots that a process should hold."""

    free: tuple[int, ...]
    share: int


async def division(connection: AsyncConnection) -> Division:
    """Return how the shards are divided into slots."""
    row = (await connection.execute(_DIVISION)).one()
    return Division(row.number, frozenset(row.unfenced), row.change)


async def agree(connection: AsyncConnection, number: int, seconds: float) -> bool:
    """Set the number of slots; return False while relays work with another number.

    `seconds` is the duration of a lease. A caller that changed the number must fence the old number's producers before
    publishing anything, and then call `note_fenced`.
    """
    if (await division(connection)).number == number:
        return True
    await connection.execute(_LOCK)
    if (await connection.execute(_IS_WORKED_ON, {"seconds": seconds})).scalar_one():
        return False
    await connection.execute(_CHANGE, {"number": number})
    await connection.execute(text("DELETE FROM relay_leases"))
    await connection.execute(text("DELETE FROM relay_processes"))
    return True


async def note_fenced(connection: AsyncConnection, change: int) -> None:
    """Record that the producers of all earlier numbers are fenced, unless the number has changed again since."""
    await connection.execute(_NOTE_FENCED, {"change": change})


async def share_out(connection: AsyncConnection, owner: str, seconds: float, *, counts: bool) -> Sharing:
    """Return the free slots and a process's share; if it does not `count`, other processes' shares ignore it."""
    values = {"owner": owner, "seconds": seconds}
    await connection.execute(_ATTEND if counts else _LEAVE, values)
    row = (await connection.execute(_SHARING, values)).one()
    return Sharing(tuple(row.free), -(-row.number // row.processes))


async def leave(connection: AsyncConnection, owner: str) -> None:
    """Stop counting a process in the shares of the others."""
    await connection.execute(_LEAVE, {"owner": owner})


async def without_relay(connection: AsyncConnection) -> tuple[int, list[int]]:
    """Return the number of slots, and those whose lease has expired or was never taken."""
    row = (await connection.execute(_WITHOUT_RELAY)).one()
    return row.number, list(row.free)


_DIVISION = text("SELECT number, unfenced, change FROM relay_slots")
_LOCK = text("SELECT FROM relay_slots FOR UPDATE")
_IS_WORKED_ON = text(f"SELECT EXISTS (SELECT FROM relay_leases WHERE {live('relay_leases')})")
_CHANGE = text(
    """
    UPDATE relay_slots SET number = :number, change = change + 1,
        unfenced = ARRAY(SELECT DISTINCT unnest(unfenced || number))
    WHERE number <> :number
    """
)
_NOTE_FENCED = text("UPDATE relay_slots SET unfenced = '{}' WHERE change = :change")
_ATTEND = text(
    """
    WITH gone AS (DELETE FROM relay_processes WHERE owner <> :owner AND expires_at < clock_timestamp())
    INSERT INTO relay_processes AS kept (owner, expires_at)
    VALUES (:owner, clock_timestamp() + make_interval(secs => :seconds))
    ON CONFLICT (owner) DO UPDATE SET expires_at = excluded.expires_at
        WHERE kept.expires_at < excluded.expires_at - make_interval(secs => :seconds / 3)
    """
)
_LEAVE = text("DELETE FROM relay_processes WHERE owner = :owner")
_SHARING = text(
    f"""
    SELECT number, ARRAY(
        SELECT slot FROM generate_series(0, number - 1) AS slot
        WHERE NOT EXISTS (SELECT FROM relay_leases WHERE relay_leases.slot = slot.slot AND {live("relay_leases")})
    ) AS free, 1 + (
        SELECT count(*) FROM relay_processes WHERE owner <> :owner AND expires_at >= clock_timestamp()
    ) AS processes
    FROM relay_slots
    """
)
_WITHOUT_RELAY = text(
    """
    SELECT number, ARRAY(
        SELECT slot FROM generate_series(0, number - 1) AS slot
        WHERE NOT EXISTS (
            SELECT FROM relay_leases WHERE relay_leases.slot = slot.slot AND expires_at >= clock_timestamp()
        )
    ) AS free FROM relay_slots
    """
)
