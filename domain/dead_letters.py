"""What becomes of a record that cannot be answered (docs/contract.md section 6)."""

import hashlib
from base64 import b64encode
from datetime import datetime

from schemas.immutable import dataclass
from schemas.outgoing import Outgoing
from schemas.records import DeadLetterReason, Record
from schemas.results import DeadLetter, HeaderCopy

SHOWN_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Dead:
    """A record that ends as a dead letter. `boundary` is its organization where known; `is_private` hides its value."""

    record: Record
    reason: DeadLetterReason
    detail: str
    is_private: bool
    boundary: str


def dead_letter_of(dead: Dead, now: datetime) -> Outgoing:
    """Return the event that tells of a dead record; of a card number only where it was found."""
    record = dead.record
    value = record.value or b""
    hidden = dead.reason is DeadLetterReason.CARD_NUMBER
    event = DeadLetter(
        source_topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp=record.timestamp,
        reason=dead.reason,
        detail=dead.detail,
        key=None if hidden else _base64(record.key),
        headers=None if hidden else tuple(HeaderCopy(name=name, value=_base64(text)) for name, text in record.headers),
        value=None if hidden or dead.is_private or record.value is None else _base64(value[:SHOWN_BYTES]),
        size=len(value),
        sha256=None if hidden or record.value is None else hashlib.sha256(value).hexdigest(),
    )
    return Outgoing(
        event=event, boundary=dead.boundary, subject=record.place, key=None if hidden else record.key, time=now
    )


def _base64(raw: bytes | None) -> str | None:
    return None if raw is None else b64encode(raw).decode()
