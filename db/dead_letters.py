"""Stored dead letters: choosing, listing and opening them. Actions on them are in db/dead_letter_actions.py."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.driver import fetch
from db.sealing import KeyEncryption, Sealed, unseal
from schemas.records import DeadLetterReason, Record

LARGEST_NUMBER = 2**63 - 1


class Standing(StrEnum):
    """The state of a dead letter: waiting, or what was last done with it."""

    WAITING = "waiting"
    REDRIVEN = "redriven"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class Choice:
    """A filter for dead letters: all given conditions must hold; without any, all dead letters match.

    `numbers` are inclusive ranges; `places` are topic, partition and offset of records; topics are named with their
    prefix; `since` is compared with the instant at which the record was read.
    """

    numbers: tuple[tuple[int, int], ...] = ()
    places: tuple[tuple[str, int, int], ...] = ()
    topic: str | None = None
    organization: str | None = None
    reason: DeadLetterReason | None = None
    since: datetime | None = None
    standing: Standing | None = None


@dataclass(frozen=True, slots=True)
class KeptDeadLetter:
    """A stored dead letter; numbers are ascending. If its record had a card number, only the record's place is kept.

    The value of a command topic's record is `sealed`, and None in `record` until it is opened. `is_kept` is False if
    the record had a card number or was erased. `event_id` is that of its event, if known; `origin` is the number of
    the first dead letter that its record was redriven from. `unconfirmed_id` is set if it is not known whether the last
    redrive reached the topic.
    """

    number: int
    record: Record
    reason: DeadLetterReason
    detail: str
    recorded_at: datetime
    organization: str | None
    size: int
    sha256: bytes | None
    event_id: str | None
    origin: int | None
    is_kept: bool
    is_sealed: bool
    sealed: Sealed | None
    redriven_at: datetime | None
    discarded_at: datetime | None
    unconfirmed_id: UUID | None

    @property
    def standing(self) -> Standing:
        """Its current state."""
        if self.unconfirmed_id is not None or (self.redriven_at is None and self.discarded_at is None):
            return Standing.WAITING
        if self.redriven_at is None or (self.discarded_at is not None and self.discarded_at > self.redriven_at):
            return Standing.DISCARDED
        return Standing.REDRIVEN


async def list_dead_letters(
    connection: AsyncConnection,
    choice: Choice,
    *,
    before: int = LARGEST_NUMBER,
    limit: int,
    within: Collection[str] | None = None,
) -> list[KeptDeadLetter]:
    """Return up to `limit` dead letters without their values, the newest first, with numbers below `before`.

    With `within`, only those of the given organizations.
    """
    conditions, values = chosen_by(choice)
    if within is not None:
        values["organizations"] = sorted(within)
    statement = list_statement(*conditions, is_narrow=within is not None)
    return [_kept(row) for row in await fetch(connection, statement, **values, before=before, row_limit=limit)]


async def numbers_of(connection: AsyncConnection, choice: Choice) -> list[tuple[int, int]]:
    """Return number and size in bytes of the chosen dead letters, in the order in which their records first arrived."""
    conditions, values = chosen_by(choice)
    return [(row.number, row.size) for row in await connection.execute(_numbers_statement(*conditions), values)]


async def find_what_is_kept(
    connection: AsyncConnection, numbers: Sequence[int]
) -> dict[int, tuple[DeadLetterReason, bool]]:
    """Return, by number, the reasons of dead letters, and whether anything of their records is kept."""
    possible = [number for number in numbers if 0 < number <= LARGEST_NUMBER]
    rows = await connection.execute(_FIND_WHAT_IS_KEPT, {"numbers": possible})
    return {row.number: (DeadLetterReason(row.reason), row.is_kept) for row in rows}


async def find_dead_letters(connection: AsyncConnection, numbers: Sequence[int]) -> list[KeptDeadLetter]:
    """Return the dead letters with these numbers, in the given order; unknown numbers are skipped."""
    return await _found(connection, _FIND, numbers)


async def lock_dead_letters(
    connection: AsyncConnection, numbers: Sequence[int], *, with_values: bool
) -> list[KeptDeadLetter]:
    """Return the dead letters with these numbers, locked against other actions until the transaction ends."""
    await connection.execute(_LOCK, {"numbers": sorted(numbers)})
    return await _found(connection, _FIND if with_values else _FIND_WITHOUT_VALUES, numbers)


async def _found(connection: AsyncConnection, statement: TextClause, numbers: Sequence[int]) -> list[KeptDeadLetter]:
    possible = [number for number in numbers if 0 < number <= LARGEST_NUMBER]
    found = {row.number: _kept(row._asdict()) for row in await connection.execute(statement, {"numbers": possible})}
    return [found[number] for number in possible if number in found]


def value_of(kept: KeptDeadLetter, keys: KeyEncryption | None) -> bytes | None:
    """Return the value of a dead letter's record, opened with the keys if it is sealed. Raises Unopenable."""
    if kept.sealed is None or keys is None:
        return kept.record.value
    return unseal(kept.sealed, about_dead_letter(kept.record.place), keys)


def about_dead_letter(place: str) -> str:
    """Return the context that a dead letter's sealed value is bound to: its record's place."""
    return f"dead-letter:{place}"


def chosen_by(choice: Choice) -> tuple[list[str], dict[str, Any]]:
    """Return the SQL conditions of a choice, and their values."""
    given = {
        "topic": choice.topic,
        "organization": choice.organization,
        "reason": choice.reason,
        "since": choice.since,
        "standing": choice.standing,
    }
    values: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    conditions = [_CONDITIONS[name] for name in values]
    if choice.numbers:
        conditions.append(_IN_RANGES)
        values["firsts"] = [min(first, LARGEST_NUMBER) for first, _ in choice.numbers]
        values["lasts"] = [min(last, LARGEST_NUMBER) for _, last in choice.numbers]
    if choice.places:
        conditions.append(_AT_PLACES)
        values["topics"], values["partitions"], values["offsets"] = map(list, zip(*choice.places, strict=True))
    return conditions, values


@cache
def list_statement(*conditions: str, is_narrow: bool = False) -> TextClause:
    """Return the list statement for a set of conditions: each set has its own statement, and so its own index.

    It uses the index of the first condition in `_LEADING`. Written as an equality, that condition would leave the
    server free to scan all dead letters by number, however few match. A narrow statement takes the limit from each of
    the given organizations, and then from all of them.
    """
    if is_narrow:
        return text(
            f"""
            SELECT found.* FROM unnest(CAST(:organizations AS text[])) AS asked(name)
            CROSS JOIN LATERAL ({_listed(conditions, "organization", "asked.name")}) AS found
            ORDER BY found.number DESC LIMIT :row_limit
            """
        )
    leading = next((column for name, column in _LEADING.items() if _CONDITIONS[name] in conditions), None)
    if leading is None:
        where = " AND ".join(("letter.number < :before", *conditions))
        return text(f"{_WITHOUT_VALUES} WHERE {where} ORDER BY letter.number DESC LIMIT :row_limit")
    name = leading.rpartition(".")[2]
    return text(_listed([one for one in conditions if one != _CONDITIONS[name]], leading, f":{name}"))


def _listed(conditions: Iterable[str], column: str, value: str) -> str:
    where = " AND ".join((f"({column}, letter.number) < ({value}, :before)", f"{column} >= {value}", *conditions))
    return f"{_WITHOUT_VALUES} WHERE {where} ORDER BY {column} DESC, letter.number DESC LIMIT :row_limit"


@cache
def _numbers_statement(*conditions: str) -> TextClause:
    where = " AND ".join(conditions or ("true",))
    return text(
        f"SELECT letter.number, size FROM {_DONE} WHERE {where} ORDER BY coalesce(origin, letter.number), letter.number"
    )


def _kept(row: Mapping[str, Any]) -> KeptDeadLetter:
    names = [name.decode() for name in row["header_names"] or ()]
    return KeptDeadLetter(
        number=row["number"],
        record=Record(
            topic=row["topic"],
            partition=row["partition"],
            offset=row["offset"],
            timestamp=row["timestamp"],
            key=row["key"],
            headers=tuple(zip(names, row["header_values"] or (), strict=True)),
            value=row["value"],
        ),
        reason=DeadLetterReason(row["reason"]),
        detail=row["detail"],
        recorded_at=row["recorded_at"],
        organization=row["organization"],
        size=row["size"],
        sha256=row["sha256"],
        event_id=None if row["shard"] is None else f"{row['shard']}-{row['position']}",
        origin=row["origin"],
        is_kept=row["header_names"] is not None,
        is_sealed=row["is_sealed"],
        sealed=None
        if row["wrapped_key"] is None or row["sealed"] is None
        else Sealed(row["key_id"], row["wrapped_key"], row["sealed"]),
        redriven_at=row["redriven_at"],
        discarded_at=row["discarded_at"],
        unconfirmed_id=row["unconfirmed_id"],
    )


_COLUMNS = """
    letter.number, topic, partition, "offset", timestamp, letter.reason, detail, key, header_names, header_values,
    key_id, wrapped_key, letter.sealed IS NOT NULL AS is_sealed, recorded_at, organization, size, sha256, shard,
    position, origin, redriven_at, discarded_at, unconfirmed_id
"""
_DONE = """
    dead_letters AS letter CROSS JOIN LATERAL (
        SELECT max(sent_at) AS redriven_at, max(at) FILTER (WHERE action = 'Discarded') AS discarded_at,
            (array_agg(CASE WHEN sent_at IS NULL THEN redrive_id END ORDER BY ordinal DESC))[1] AS unconfirmed_id
        FROM dead_letter_actions AS action WHERE action.number = letter.number
    ) AS done
"""
_CONDITIONS = {
    "topic": "topic = :topic",
    "organization": "organization = :organization",
    "reason": "letter.reason = :reason",
    "since": "recorded_at >= :since",
    "standing": """CAST(:standing AS text) = CASE
        WHEN unconfirmed_id IS NOT NULL OR (redriven_at IS NULL AND discarded_at IS NULL) THEN 'waiting'
        WHEN redriven_at IS NULL OR discarded_at > redriven_at THEN 'discarded'
        ELSE 'redriven' END""",
}
_LEADING = {"organization": "organization", "topic": "topic", "reason": "letter.reason"}
"""Conditions that have an index, the most selective first, and their columns."""
_IN_RANGES = """EXISTS (
    SELECT FROM unnest(CAST(:firsts AS bigint[]), CAST(:lasts AS bigint[])) AS range(first, last)
    WHERE letter.number BETWEEN range.first AND range.last
)"""
# As numbers, so that the server looks them up instead of scanning all dead letters.
_AT_PLACES = """letter.number = ANY (ARRAY(
    SELECT number FROM dead_letters
    JOIN unnest(CAST(:topics AS text[]), CAST(:partitions AS integer[]), CAST(:offsets AS bigint[]))
        AS place(topic, partition, "offset") USING (topic, partition, "offset")
))"""
_WITHOUT_VALUES = f"SELECT {_COLUMNS}, CAST(NULL AS bytea) AS value, CAST(NULL AS bytea) AS sealed FROM {_DONE}"
_FIND = text(f"SELECT {_COLUMNS}, value, sealed FROM {_DONE} WHERE letter.number = ANY(CAST(:numbers AS bigint[]))")
_FIND_WITHOUT_VALUES = text(f"{_WITHOUT_VALUES} WHERE letter.number = ANY(CAST(:numbers AS bigint[]))")
_FIND_WHAT_IS_KEPT = text(
    """
    SELECT number, reason, header_names IS NOT NULL AS is_kept FROM dead_letters
    WHERE number = ANY(CAST(:numbers AS bigint[]))
    """
)
_LOCK = text(
    "SELECT FROM dead_letters WHERE number = ANY(CAST(:numbers AS bigint[])) ORDER BY number FOR NO KEY UPDATE"
)
