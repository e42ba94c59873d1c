"""The watermark (docs/contract.md section 7): up to which instant `bindings` is complete, and by which offsets.

It is a control record: it has no row in the log, and its id is derived from its content.
"""

from datetime import datetime
from typing import Self

import orjson

from schemas.events import Event
from schemas.immutable import dataclass
from schemas.instants import format_instant, parse_instant
from schemas.outgoing import Outgoing, render
from schemas.scalars import Instant
from schemas.topics import Topic

WATERMARK_KEY = str(Topic.BINDINGS).encode()
"""The record key and the subject of every watermark: the topic that it covers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermark(Event):
    """Every `BindingChanged` whose time is not after `closed_until` stands before `offsets`, one for each partition."""

    topic = Topic.WATERMARKS

    closed_until: Instant
    offsets: tuple[int, ...]

    def rendered(self, written_at: datetime, source: str) -> bytes:
        """Return the record's value, written at the given instant."""
        subject = WATERMARK_KEY.decode()
        outgoing = Outgoing(event=self, boundary=subject, subject=subject, key=WATERMARK_KEY, time=written_at)
        return render(outgoing, f"watermark-{format_instant(self.closed_until)}", source)

    @classmethod
    def parsed(cls, value: bytes) -> Self:
        """Parse the value that `rendered` returned. Raise ValueError for anything else."""
        try:
            event = orjson.loads(value)
            data = event["data"]
            read = cls(closed_until=parse_instant(data["closedUntil"]), offsets=tuple(data["offsets"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"no watermark: {type(error).__name__}") from None
        if any(type(offset) is not int or offset < 0 for offset in read.offsets):
            raise ValueError("no watermark: an offset is no number")
        if event.get("id") != f"watermark-{format_instant(read.closed_until)}":
            raise ValueError("no watermark: its id is another")
        return read
