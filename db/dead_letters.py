"""Stored dead letters: listing them, opening them, and marking them as redriven."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.sealing import KeyEncryption, Sealed, unseal
from schemas.records import DeadLetterReason, Record


@dataclass(frozen=True, slots=True)
class KeptDeadLetter:
    """A stored dead letter; `number` rises with each. For a card number, only the place of the record is kept.

    The value of a record of the command topic is `sealed`, and None in `record` until it is opened.
    """

    number: int
    record: Record
    reason: DeadLetterReason
    detail: str
    recorded_at: datetime
    redriven_at: datetime | None
    sealed: Sealed | None


async def list_dead_letters(
    connection: AsyncConnection,
    reason: DeadLetterReason | None = None,
    *,
    only_waiting: bool = False,
    before: int | None = None,
    limit: int,
) -> list[KeptDeadLetter]:
    """Return up to `limit` dead letters, newest first: those with this reason and a number below `before`.

    `only_waiting` leaves out those that were redriven.
    """
    wanted = {"reason": reason, "only_waiting": only_waiting, "before": before, "row_limit": limit}
    return [_kept(row) for row in await connection.execute(_LIST, wanted)]


async def waiting_dead_letters(connection: AsyncConnection, reason: DeadLetterReason | None) -> list[int]:
    """Return the numbers of the dead letters with this reason that have not been redriven yet, oldest first."""
    return list((await connection.execute(_WAITING, {"reason": reason})).scalars())


async def find_dead_letters(connection: AsyncConnection, numbers: Sequence[int]) -> list[KeptDeadLetter]:
    """Return the dead letters with these numbers, in order of number; unknown numbers are left out."""
    return [_kept(row) for row in await connection.execute(_FIND, {"numbers": list(numbers)})]


async def mark_redriven(connection: AsyncConnection, number: int) -> None:
    """Mark a dead letter as redriven now."""
    await connection.execute(_MARK, {"number": number})


def value_of(kept: KeptDeadLetter, keys: KeyEncryption | None) -> bytes | None:
    """Return the value of a dead letter's record, unsealed with the keys if need be. Raises Unopenable."""
    if kept.sealed is None or keys is None:
        return kept.record.value
    return unseal(kept.sealed, about_dead_letter(kept.record), keys)


def about_dead_letter(record: Record) -> str:
    """Return what a dead letter's sealed value is bound to: the place of its record."""
    return f"dead-letter:{record.place}"


def _kept(row: Row[Any]) -> KeptDeadLetter:
    names = [name.decode() for name in row.header_names or ()]
    return KeptDeadLetter(
        number=row.number,
        record=Record(
            topic=row.topic,
            partition=row.partition,
            offset=row.offset,
            timestamp=row.timestamp,
            key=row.key,
            headers=tuple(zip(names, row.header_values or (), strict=True)),
            value=row.value,
        ),
        reason=DeadLetterReason(row.reason),
        detail=row.detail,
        recorded_at=row.recorded_at,
        redriven_at=row.redriven_at,
        sealed=None if row.sealed is None else Sealed(row.key_id, row.wrapped_key, row.sealed),
    )


_COLUMNS = """
    number, topic, partition, "offset", timestamp, reason, detail, key, header_names, header_values, value,
    key_id, wrapped_key, sealed, recorded_at, redriven_at
"""
_LIST = text(
    f"""
    SELECT {_COLUMNS} FROM dead_letters
    WHERE (CAST(:reason AS text) IS NULL OR reason = :reason)
        AND (CAST(:before AS bigint) IS NULL OR number < :before)
        AND (redriven_at IS NULL OR NOT :only_waiting)
    ORDER BY number DESC LIMIT :row_limit
    """
)
_WAITING = text("SELECT number FROM dead_letters WHERE reason = :reason AND redriven_at IS NULL ORDER BY number")
_FIND = text(f"SELECT {_COLUMNS} FROM dead_letters WHERE number = ANY(CAST(:numbers AS bigint[])) ORDER BY number")
_MARK = text("UPDATE dead_letters SET redriven_at = clock_timestamp() WHERE number = :number")
