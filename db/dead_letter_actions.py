"""Actions on dead letters, and who took them (docs/decisions/0023).

A dead letter is redriven in two transactions: the first records the redrive under an id, which the record then carries;
the second confirms that the broker has the record. A worker that reads the record stores its place, and treats every
other record with that id as a duplicate.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.dead_letters import KeptDeadLetter, Standing, lock_dead_letters
from db.driver import fetch
from db.redriven import is_record_of
from schemas.records import Record

REDRIVEN, DISCARDED = "Redriven", "Discarded"

_REDRIVING_LOCK_KEY = 0x77686F7265647276


@dataclass(frozen=True, slots=True)
class Action:
    """An action on a dead letter: `by` whom, and the reason if it was discarded.

    A redrive is confirmed at `sent_at`. `place` is its record's place, if known; `is_read` says whether a worker has
    read it there; `dead_letter` is the number of the dead letter that it became again, if it did.
    """

    action: str
    by: str
    at: datetime
    reason: str | None
    sent_at: datetime | None
    place: str | None
    is_read: bool
    dead_letter: int | None


@dataclass(frozen=True, slots=True)
class Redrive:
    """A dead letter to be put on its topic under an id; if `is_resumed`, it may be there already."""

    kept: KeptDeadLetter
    id: UUID
    is_resumed: bool


@dataclass(frozen=True, slots=True)
class Arrived:
    """The redriven records of a batch, by place: those that are duplicates, and where each comes from.

    `origins` maps a record's place to the first dead letter that it was redriven from.
    """

    repeated: frozenset[str]
    origins: dict[str, int]


async def is_only_redriving(connection: AsyncConnection) -> bool:
    """Take the redriving lock for the lifetime of the connection; return False if another process holds it."""
    return bool((await connection.execute(_TRY_LOCK, {"key": _REDRIVING_LOCK_KEY})).scalar_one())


async def begin_redrives(
    connection: AsyncConnection, numbers: Sequence[int], by: str, *, again: bool
) -> tuple[list[Redrive], list[KeptDeadLetter]]:
    """Record that dead letters are redriven now; return the redrives, and the dead letters that were skipped.

    Skipped are those redriven or discarded before, except with `again`, and those of which nothing is kept. An
    unconfirmed redrive continues under its id.
    """
    redrives, left = [], []
    for kept in await lock_dead_letters(connection, numbers, with_values=True):
        if not kept.is_kept or (kept.standing is not Standing.WAITING and not again):
            left.append(kept)
        else:
            redrives.append(Redrive(kept, kept.unconfirmed_id or uuid4(), kept.unconfirmed_id is not None))
    new = [redrive for redrive in redrives if not redrive.is_resumed]
    ids = [redrive.id for redrive in new]
    await connection.execute(_BEGIN, {"numbers": [one.kept.number for one in new], "ids": ids, "by": by})
    return redrives, left


async def confirm_redrives(connection: AsyncConnection, confirmed: Sequence[tuple[UUID, int, int]]) -> None:
    """Record that redriven records are on their topic: each with its id, partition and offset."""
    ids, partitions, offsets = ([one[index] for one in confirmed] for index in range(3))
    # In the order in which workers lock them, to avoid deadlocks.
    await connection.execute(_LOCK, {"ids": ids})
    await connection.execute(_CONFIRM, {"ids": ids, "partitions": partitions, "offsets": offsets})


async def withdraw_redrives(connection: AsyncConnection, ids: Sequence[UUID]) -> None:
    """Delete redrives whose records certainly did not reach their topics."""
    await connection.execute(_WITHDRAW, {"ids": ids})


async def discard(
    connection: AsyncConnection, numbers: Sequence[int], by: str, reason: str, *, erases: bool = False
) -> tuple[list[int], list[KeptDeadLetter]]:
    """Record that dead letters need no redrive; return the numbers of those discarded, and the ones that were skipped.

    Skipped are those redriven or discarded before. With `erases` the content is destroyed; then only those are skipped
    that were redriven or discarded before and of which nothing is kept.
    """
    found = await lock_dead_letters(connection, numbers, with_values=False)
    chosen = [one.number for one in found if one.standing is Standing.WAITING or (erases and one.is_kept)]
    await connection.execute(_DISCARD, {"numbers": chosen, "by": by, "reason": reason})
    if erases:
        await connection.execute(_ERASE, {"numbers": chosen})
    return chosen, [one for one in found if one.number not in chosen]


async def actions_on(connection: AsyncConnection, number: int) -> list[Action]:
    """Return the actions on a dead letter, in order."""
    return [Action(*row) for row in await connection.execute(_ACTIONS, {"number": number})]


async def arrived(connection: AsyncConnection, records: Iterable[Record]) -> Arrived:
    """Store where redriven records of a batch were read; one that was read at another place before is a duplicate."""
    carrying = [(record, record.redrive_id) for record in records]
    listed = [(record, id_) for record, id_ in carrying if id_ is not None]
    if not listed:
        return _NONE_ARRIVED
    rows = await fetch(connection, _EXPECTED, ids=list({id_ for _, id_ in listed}))
    known = {row["redrive_id"]: row for row in rows}
    taken = {row["redrive_id"]: _place(row) for row in rows if row["timestamp"] is not None}
    repeated, origins, new = set(), {}, {}
    for record, id_ in listed:
        row = known.get(id_)
        # An id that was never assigned, or belongs to another record, is just a header.
        if row is None or not is_record_of(row, record):
            continue
        here = (record.partition, record.offset, record.timestamp)
        if taken.setdefault(id_, here) != here:
            repeated.add(record.place)
            continue
        origins[record.place] = row["origin"]
        if row["timestamp"] is None:
            new[id_] = here
    if new:
        partitions, offsets, timestamps = (list(column) for column in zip(*new.values(), strict=True))
        await fetch(connection, _ARRIVE, ids=list(new), partitions=partitions, offsets=offsets, timestamps=timestamps)
    return Arrived(frozenset(repeated), origins)


def _place(row: Mapping[str, Any]) -> tuple[int, int, datetime]:
    return row["partition"], row["offset"], row["timestamp"]


_NONE_ARRIVED = Arrived(frozenset(), {})
_TRY_LOCK = text("SELECT pg_try_advisory_lock(:key)")
_ORDINAL = """
    1 + coalesce((SELECT max(ordinal) FROM dead_letter_actions AS before WHERE before.number = acted.number), 0)
"""
_BEGIN = text(
    f"""
    INSERT INTO dead_letter_actions (number, ordinal, action, by, at, redrive_id)
    SELECT acted.number, {_ORDINAL}, '{REDRIVEN}', :by, clock_timestamp(), acted.redrive_id
    FROM unnest(CAST(:numbers AS bigint[]), CAST(:ids AS uuid[])) AS acted(number, redrive_id)
    """
)
_DISCARD = text(
    f"""
    INSERT INTO dead_letter_actions (number, ordinal, action, by, at, reason)
    SELECT acted.number, {_ORDINAL}, '{DISCARDED}', :by, clock_timestamp(), :reason
    FROM unnest(CAST(:numbers AS bigint[])) AS acted(number)
    """
)
ERASED = """
    key = NULL, header_names = NULL, header_values = NULL, value = NULL, key_id = NULL, wrapped_key = NULL,
    sealed = NULL, asker = NULL
"""
"""The SQL assignments that erase a dead letter's content."""
_ERASE = text(
    f"""
    UPDATE dead_letters SET {ERASED}
    WHERE number = ANY(CAST(:numbers AS bigint[]))
    """
)
_LOCK = text(
    "SELECT FROM dead_letter_actions WHERE redrive_id = ANY(CAST(:ids AS uuid[])) ORDER BY redrive_id FOR UPDATE"
)
_WITHDRAW = text("DELETE FROM dead_letter_actions WHERE redrive_id = ANY(CAST(:ids AS uuid[])) AND sent_at IS NULL")
# If a worker has already read a record, keep the place that it stored.
_CONFIRM = text(
    """
    UPDATE dead_letter_actions SET sent_at = coalesce(sent_at, clock_timestamp()),
        partition = coalesce(dead_letter_actions.partition, confirmed.partition),
        "offset" = coalesce(dead_letter_actions."offset", confirmed."offset")
    FROM unnest(CAST(:ids AS uuid[]), CAST(:partitions AS integer[]), CAST(:offsets AS bigint[]))
        AS confirmed(redrive_id, partition, "offset")
    WHERE dead_letter_actions.redrive_id = confirmed.redrive_id
    """
)
_EXPECTED = text(
    """
    SELECT action.redrive_id, action.partition, action."offset", action.timestamp, letter.topic, letter.sha256,
        letter.size, letter.key, letter.header_names, letter.header_values,
        coalesce(letter.origin, letter.number) AS origin
    FROM unnest(CAST(:ids AS uuid[])) AS carried(redrive_id)
    JOIN dead_letter_actions AS action USING (redrive_id)
    JOIN dead_letters AS letter ON letter.number = action.number
    ORDER BY action.redrive_id FOR UPDATE OF action
    """
)
_ARRIVE = text(
    """
    UPDATE dead_letter_actions SET partition = here.partition, "offset" = here."offset", timestamp = here.timestamp,
        sent_at = coalesce(sent_at, clock_timestamp())
    FROM unnest(CAST(:ids AS uuid[]), CAST(:partitions AS integer[]), CAST(:offsets AS bigint[]),
            CAST(:timestamps AS timestamptz[])) AS here(redrive_id, partition, "offset", timestamp)
    WHERE dead_letter_actions.redrive_id = here.redrive_id
    """
)
_ACTIONS = text(
    """
    SELECT action.action, action.by, action.at, action.reason, action.sent_at,
        letter.topic || '/' || action.partition || '/' || action."offset" AS place,
        action.timestamp IS NOT NULL AS is_read, again.number AS dead_letter
    FROM dead_letter_actions AS action JOIN dead_letters AS letter USING (number)
    LEFT JOIN dead_letters AS again ON again.topic = letter.topic AND again.partition = action.partition
        AND again."offset" = action."offset" AND again.timestamp = action.timestamp
    WHERE action.number = :number ORDER BY action.ordinal
    """
)
