"""Redriven records: whether one matches its dead letter, and who sent the original.

A redriven record has no token. It is checked against the sender stored with its dead letter, but only if it is the same
record: any client that may write to the topic can put a redrive's id on another record.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.driver import fetch
from db.sealing import KeyEncryption, Sealed, Unopenable, unseal
from schemas.askers import Unidentified
from schemas.asking import Checked
from schemas.records import REDRIVE_HEADER, Headers, Record


def asker_piece(checked: Checked) -> bytes:
    """Serialize the sender and its rights, or that it is unknown, to be sealed with a dead letter."""
    return _CHECKED.dump_json(checked)


def about_asker(place: str) -> str:
    """Return the context that a sealed sender is bound to: the place of the dead letter's record."""
    return f"asker-of-dead-letter:{place}"


async def kept_askers(
    connection: AsyncConnection, records: Iterable[Record], keys: KeyEncryption
) -> dict[str, Checked]:
    """Return the senders of the redriven records among these, by place, as stored with their dead letters."""
    carrying = {record.place: (record, id_) for record in records if (id_ := record.redrive_id) is not None}
    if not carrying:
        return {}
    rows = await fetch(connection, _LETTERS, ids=[id_ for _, id_ in carrying.values()])
    letters = {row["redrive_id"]: row for row in rows}
    return {
        place: _asker(letters[id_], keys)
        for place, (record, id_) in carrying.items()
        if id_ in letters and is_record_of(letters[id_], record)
    }


def is_record_of(letter: Mapping[str, Any], record: Record) -> bool:
    """Return whether a record is the dead letter's own: same topic, value, headers and key.

    For an erased dead letter only the value can be compared; for one stored without a digest, not even that.
    """
    if letter["topic"] != record.topic:
        return False
    digest = None if record.value is None else hashlib.sha256(record.value).digest()
    if letter["sha256"] != digest and not (letter["sha256"] is None and letter["size"] > 0):
        return False
    if letter["header_names"] is None:
        return True
    names = [name.decode() for name in letter["header_names"]]
    kept = tuple(zip(names, letter["header_values"], strict=True))
    return bool(letter["key"] == record.key) and _without_redrive_id(kept) == _without_redrive_id(record.headers)


def opened_asker(letter: Mapping[str, Any], keys: KeyEncryption) -> Checked:
    """Return the sender stored with a dead letter. Raises Unopenable, and ValidationError for invalid content."""
    if letter["asker"] is None or letter["wrapped_key"] is None:
        return _NO_ASKER
    place = f"{letter['topic']}/{letter['partition']}/{letter['offset']}"
    sealed = Sealed(letter["key_id"], letter["wrapped_key"], letter["asker"])
    return _CHECKED.validate_json(unseal(sealed, about_asker(place), keys))


def _without_redrive_id(headers: Headers) -> Headers:
    return tuple(header for header in headers if header[0] != REDRIVE_HEADER)


def _asker(letter: Mapping[str, Any], keys: KeyEncryption) -> Checked:
    try:
        return opened_asker(letter, keys)
    except (Unopenable, ValueError):
        return _UNREADABLE


_CHECKED = TypeAdapter[Checked](Checked)
_NO_ASKER = Unidentified("the command was redriven, and its dead letter keeps nobody who asked: send it with a token")
_UNREADABLE = Unidentified("the command was redriven, and what its dead letter keeps of who asked cannot be read")
_LETTERS = text(
    """
    SELECT action.redrive_id, letter.topic, letter.partition, letter."offset", letter.sha256, letter.size, letter.key,
        letter.header_names, letter.header_values, letter.key_id, letter.wrapped_key, letter.asker
    FROM unnest(CAST(:ids AS uuid[])) AS carried(redrive_id)
    JOIN dead_letter_actions AS action USING (redrive_id)
    JOIN dead_letters AS letter ON letter.number = action.number
    """
)
