"""CloudEvents as whopays reads and writes them (contract, section 2): structured JSON."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from aiokafka.structs import ConsumerRecord
from pydantic import AwareDatetime, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from whopays_client import events, results
from whopays_client.errors import Malformed
from whopays_client.events import Event
from whopays_client.tracing import context_of
from whopays_client.values import Part

if TYPE_CHECKING:
    from opentelemetry.context import Context

CONTENT_TYPE = b"application/cloudevents+json"
REPLAY_HEADER = "whopays-replay"
"""The header of records that a replay published; its value is the replay's name."""
_PREFIX = "io.milo.billing."
_VERSION = ".v1"

HeardEvent_co = TypeVar("HeardEvent_co", bound=Event, covariant=True)


@dataclass(frozen=True, slots=True)
class Heard(Generic[HeardEvent_co]):
    """An event as read, with its envelope.

    `id` is unique forever, and the same in a replay. `sequence` counts the changes of `subject`, 1, 2, 3 …; None on
    topics without one. `time` is the instant of the change. `by` is the sender of the command, if known. `place` is
    topic/partition/offset. `is_replayed`: whether a replay published it again.
    """

    event: HeardEvent_co
    id: str
    subject: str
    time: datetime
    sequence: int | None
    by: str | None
    caused_by: str | None
    correlation_id: str | None
    trace_parent: str | None
    place: str
    key: bytes | None = field(repr=False)
    value: bytes = field(repr=False)
    is_replayed: bool = False

    def trace_context(self) -> "Context":
        """Return the trace of its command or fact as an OpenTelemetry context, for a span around handling the event.

        It is empty if there is no trace, and for replayed events: handling those is not part of the original trace, but
        can be linked to it by `trace_parent`. Raises ImportError if OpenTelemetry is not installed.
        """
        return context_of(None if self.is_replayed else self.trace_parent)

    @property
    def order(self) -> int:
        """A number that rises with every event of a subject: its sequence, or else its position in the log of whopays.

        Raises Malformed if its id contains no position.
        """
        if self.sequence is not None:
            return self.sequence
        try:
            return int(self.id.partition("-")[2])
        except ValueError:
            raise Malformed(self.place, "its id is not one of whopays") from None


def write(
    message: Part, data: dict[str, Any], message_id: str, source: str, attributes: dict[str, str | None]
) -> bytes:
    """Return a message as a structured CloudEvent in JSON; attributes that are None are left out."""
    event = {"specversion": "1.0", "id": message_id, "source": source, "type": type_of(type(message))}
    event |= {name: value for name, value in attributes.items() if value is not None}
    return to_json({**event, "data": data})


def type_of(message: type[Part]) -> str:
    """Return the `type` attribute of a message: `io.milo.billing.BindProject.v1`."""
    return f"{_PREFIX}{message.__name__}{_VERSION}"


def place_of(record: ConsumerRecord) -> str:
    """Return the place of a record: topic/partition/offset."""
    return f"{record.topic}/{record.partition}/{record.offset}"


def read(record: ConsumerRecord) -> Heard[Event] | None:
    """Return the event in a record; None for a record without value, and for an event of an unknown type.

    Raises Malformed.
    """
    if record.value is None:
        return None
    try:
        attributes = from_json(record.value)
        kind = _KNOWN.get(attributes["type"])
        if kind is None:
            return None
        event_id, subject, sequence = attributes["id"], attributes["subject"], attributes.get("sequence")
        if not isinstance(event_id, str) or not isinstance(subject, str):
            raise TypeError("id and subject must be strings")
        return Heard(
            event=kind.model_validate(attributes["data"], extra="ignore"),
            id=event_id,
            subject=subject,
            time=_INSTANT.validate_python(attributes["time"]),
            sequence=None if sequence is None else int(sequence),
            by=attributes.get("authid"),
            caused_by=attributes.get("causationid"),
            correlation_id=attributes.get("correlationid"),
            trace_parent=attributes.get("traceparent"),
            place=place_of(record),
            key=record.key,
            value=record.value,
            is_replayed=any(name == REPLAY_HEADER for name, _ in record.headers),
        )
    except ValidationError as error:
        # Only the path of the first error: the value may be personal data, or long.
        first = error.errors(include_input=False, include_url=False)[0]
        raise Malformed(place_of(record), f"{first['msg']} at {'/'.join(map(str, first['loc']))}") from None
    except (ValueError, TypeError, KeyError) as error:
        raise Malformed(place_of(record), f"{type(error).__name__}: {error}") from error


_INSTANT: TypeAdapter[datetime] = TypeAdapter(AwareDatetime)
_KNOWN: dict[str, type[Event]] = {
    type_of(kind): kind
    for kind in (
        events.BindingChanged,
        events.AccountPhaseChanged,
        events.AccountChanged,
        events.ProjectBillingNotice,
        events.DeadLetter,
        events.Watermark,
        events.ReplayCompleted,
        results.CommandCompleted,
    )
}
