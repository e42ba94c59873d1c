"""Outgoing events (docs/contract.md section 2): rendered once; replays repeat the same bytes."""

from dataclasses import field
from datetime import datetime
from typing import Any

import orjson

from schemas.asking import Asked
from schemas.envelope import SPECVERSION
from schemas.events import Event
from schemas.immutable import dataclass
from schemas.instants import format_instant
from schemas.message_types import type_of
from schemas.topics import Topic

CONTENT_TYPE = b"application/cloudevents+json"
REPLAY_HEADER = "whopays-replay"
"""The header of records that a replay publishes again."""

JSON_HEADER = ("content-type", CONTENT_TYPE)
"""The header of every published record."""

_TRACE = b',"traceparent":'


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event with its envelope, before it has a position in the log.

    `boundary` is the organization whose log it belongs to, or `topic/partition` if there is none. `subject` is
    `organization/project`, `organization/account`, the organization of a result, or `topic/partition/offset`; `key` the
    record key; `sequence` the gapless number within the subject, on `bindings` and `accounts` only. `asked` is stored
    in the log with a result and never published.
    """

    event: Event
    boundary: str
    subject: str
    key: bytes | None
    time: datetime
    sequence: int | None = None
    causation_id: str | None = None
    sender: str | None = None
    passed_on: dict[str, str] = field(default_factory=dict)
    asked: Asked | None = None

    @property
    def topic(self) -> Topic:
        """The topic that the event is published on, without prefix."""
        return self.event.topic

    @property
    def type(self) -> str:
        """The event's `type` attribute, in full."""
        return type_of(self.event.name())


def render(outgoing: Outgoing, event_id: str, source: str) -> bytes:
    """Write an event as a structured CloudEvent in JSON."""
    attributes: dict[str, Any] = {
        "specversion": SPECVERSION,
        "id": event_id,
        "source": source,
        "type": outgoing.type,
        "time": format_instant(outgoing.time),
        "subject": outgoing.subject,
    }
    if outgoing.sequence is not None:
        attributes["sequence"] = f"{outgoing.sequence:020d}"
    partition_key = _text(outgoing.key)
    if partition_key is not None:
        attributes["partitionkey"] = partition_key
    if outgoing.causation_id is not None:
        attributes["causationid"] = outgoing.causation_id
    if outgoing.sender is not None:
        attributes["authid"] = outgoing.sender
    attributes.update(outgoing.passed_on)
    attributes["data"] = orjson.Fragment(outgoing.event.data())
    return orjson.dumps(attributes)


def headers_of(value: bytes) -> list[tuple[str, bytes]]:
    """Return the Kafka headers of a rendered event: its content type, and its trace, if any."""
    # The data comes last, and quotation marks within strings are escaped, so the first match is the member.
    attributes = value[: value.index(b',"data":')]
    if _TRACE not in attributes:
        return [JSON_HEADER]
    return [JSON_HEADER, ("traceparent", orjson.loads(attributes + b"}")["traceparent"].encode())]


def place_of(value: bytes | None, source: str | None = None) -> tuple[int, int] | None:
    """Return the shard and position in the log from a published event's id; None if it is not an event.

    With `source`, also return None for events of another installation.
    """
    try:
        event = orjson.loads(value or b"")
    except ValueError:
        return None
    if not isinstance(event, dict) or source not in (None, event.get("source")):
        return None
    shard, _, position = str(event.get("id", "")).partition("-")
    return (int(shard), int(position)) if shard.isdecimal() and position.isdecimal() else None


def event_id_of(value: bytes | None) -> str | None:
    """Return the `id` of a published event; None if it is not an event."""
    try:
        event = orjson.loads(value or b"")
    except ValueError:
        return None
    return str(event["id"]) if isinstance(event, dict) and "id" in event else None


def _text(key: bytes | None) -> str | None:
    # Only a dead letter can have a key that is not text: the key of its record.
    try:
        return None if key is None else key.decode("utf-8")
    except UnicodeDecodeError:
        return None
