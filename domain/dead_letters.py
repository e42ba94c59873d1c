"""Dead letters: records that cannot be answered (docs/contract.md section 6)."""

import hashlib
from base64 import b64encode
from datetime import datetime

from schemas.asking import Checked
from schemas.card_numbers import has_card_number_within
from schemas.envelope import Trail
from schemas.immutable import dataclass
from schemas.outgoing import Outgoing
from schemas.records import DeadLetterReason, Headers, Record
from schemas.results import DeadLetter, HeaderCopy
from schemas.tracing import looks_like_token

SHOWN_BYTES = 64 * 1024

_SECRET_HEADERS = ("authorization", "ce_authorization")


@dataclass(frozen=True, slots=True)
class Dead:
    """A record that becomes a dead letter. `is_private` hides its value.

    `boundary` is the record's organization if it could be read, otherwise its `topic/partition`. `trail` is what its
    envelope passes on, as far as it can be read. `organization` is the one that the record appears to belong to, by
    its data or else its key. For a command, `checked` is the outcome of checking its token, None if tokens are not
    checked; redriving is judged by it.
    """

    record: Record
    reason: DeadLetterReason
    detail: str
    is_private: bool
    boundary: str
    trail: Trail = Trail()
    organization: str | None = None
    checked: Checked | None = None

    @property
    def headers(self) -> Headers:
        """The record's headers that may be stored and published: none that contains a token."""
        return tuple(header for header in self.record.headers if not _holds_token(*header))

    @property
    def owner(self) -> str | None:
        """The organization as it may be stored: None if a card number was sent and the name contains one."""
        name = self.organization
        if name is None or self.reason is not DeadLetterReason.CARD_NUMBER:
            return name
        return None if has_card_number_within(name) else name


def dead_letter_of(dead: Dead, now: datetime) -> Outgoing:
    """Return the event for a dead record; if it contained a card number, the event says only where."""
    record = dead.record
    value = record.value or b""
    hidden = dead.reason is DeadLetterReason.CARD_NUMBER
    trail = _without_card_numbers(dead.trail) if hidden else dead.trail
    event = DeadLetter(
        source_topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp=record.timestamp,
        reason=dead.reason,
        detail=dead.detail,
        key=None if hidden else _base64(record.key),
        headers=None if hidden else tuple(HeaderCopy(name=name, value=_base64(text)) for name, text in dead.headers),
        value=None if hidden or dead.is_private or record.value is None else _base64(value[:SHOWN_BYTES]),
        size=len(value),
        sha256=None if hidden or record.value is None else hashlib.sha256(value).hexdigest(),
    )
    return Outgoing(
        event=event,
        boundary=dead.boundary,
        subject=record.place,
        key=None if hidden else record.key,
        time=now,
        causation_id=trail.causation_id,
        passed_on=trail.passed_on,
    )


def _without_card_numbers(trail: Trail) -> Trail:
    """Return the trail without members that contain a card number: producers derive ids from what they send."""
    identity = trail.causation_id
    return Trail(
        None if identity is None or has_card_number_within(identity) else identity,
        {name: text for name, text in trail.passed_on.items() if not has_card_number_within(text)},
    )


def _holds_token(name: str, value: bytes | None) -> bool:
    return name.lower() in _SECRET_HEADERS or (value is not None and looks_like_token(value.decode(errors="replace")))


def _base64(raw: bytes | None) -> str | None:
    return None if raw is None else b64encode(raw).decode()
