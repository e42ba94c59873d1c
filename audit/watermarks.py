"""Checks the watermarks against the events: whatever they close must lie before the offsets they name."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from datetime import datetime

import orjson
from aiokafka import ConsumerRecord

from audit.findings import Finding, Promise
from schemas.instants import format_instant, parse_instant
from schemas.topics import Topic
from schemas.watermarks import WATERMARK_KEY, Watermark
from workers.publishing.positions import Kept, committed
from workers.runtime.settings import Settings


async def read_watermarks(settings: Settings) -> list[ConsumerRecord]:
    """Read the topic of watermarks to its current end, committed records only."""
    async with committed(settings, settings.topic(Topic.WATERMARKS)) as records:
        return [record async for record in records]


class WatermarksAudit:
    """Checks the watermarks themselves, and the events against them."""

    def __init__(self) -> None:
        self._told: list[Watermark] = []
        self._instants: list[datetime] = []
        self._least: list[list[int]] = []

    @property
    def last(self) -> Watermark | None:
        """The last valid watermark."""
        return self._told[-1] if self._told else None

    def hear(self, records: list[ConsumerRecord]) -> Iterator[Finding]:
        """Take in the records of the topic, in order; yield what is wrong with them."""
        before: tuple[Watermark, bytes] | None = None
        for record in records:
            place = f"{record.topic}/{record.partition}, offset {record.offset}"
            try:
                watermark = Watermark.parsed(record.value or b"")
                written_at = parse_instant(orjson.loads(record.value)["time"])
            except (KeyError, TypeError, ValueError) as error:
                yield Finding(Promise.WATERMARKS, place, f"it is no watermark ({type(error).__name__})")
                continue
            if record.key != WATERMARK_KEY:
                yield Finding(Promise.WATERMARKS, place, "its key is not that of watermarks")
            if watermark.closed_until > written_at:
                yield Finding(Promise.WATERMARKS, place, "it closes instants after the one at which it was written")
            if before is not None and watermark.closed_until < before[0].closed_until:
                trouble = f"it falls behind the one before, which closed {format_instant(before[0].closed_until)}"
                yield Finding(Promise.WATERMARKS, place, trouble)
                continue
            if before is not None and watermark.closed_until == before[0].closed_until and record.value != before[1]:
                yield Finding(Promise.WATERMARKS, place, "it repeats the one before, but says something else")
            before = (watermark, record.value)
            self._told.append(watermark)
            self._instants.append(watermark.closed_until)
        # An event must lie before the offsets of every watermark that closes it, so before the lowest of them.
        least: list[int] = []
        partitions = max((len(one.offsets) for one in self._told), default=0)
        for watermark in reversed(self._told):
            offsets = [*watermark.offsets, *[0] * (partitions - len(watermark.offsets))]
            least = list(map(min, least, offsets)) if least else offsets
            self._least.append(least)
        self._least.reverse()

    def troubles(self, partition: int, offset: int, value: bytes) -> list[str]:
        """Return what is wrong with the place of an event of `bindings`."""
        time = parse_instant(orjson.loads(value)["time"])
        at = bisect_left(self._instants, time)
        if at == len(self._told):
            return []
        least = self._least[at]
        if partition < len(least) and offset < least[partition]:
            return []
        closed = format_instant(self._instants[at])
        return [f"a watermark, of {closed} or later, closed its instant, but it does not stand before the offset"]

    def compare(self, ends: Mapping[int, int], kept: Kept) -> Iterator[Finding]:
        """Compare the last watermark with the ends of `bindings`, and with the one stored later with the positions."""
        last = self.last
        if last is None:
            return
        place = f"watermark of {format_instant(last.closed_until)}"
        for partition, offset in enumerate(last.offsets):
            if offset > ends.get(partition, 0):
                trouble = f"bindings/{partition} ends at {ends.get(partition, 0)}, but the watermark says {offset}"
                yield Finding(Promise.WATERMARKS, place, trouble)
        if kept.last is not None and kept.last.watermark.closed_until < last.closed_until:
            yield Finding(Promise.POSITIONS, place, "the one beside the positions is earlier: the next could fall")


def not_closed(shard: int, position: int, closed: datetime) -> Finding:
    """Return the finding for a row that is not published yet although its instant was closed."""
    trouble = f"its event is not published, but its instant was closed by the watermark of {format_instant(closed)}"
    return Finding(Promise.WATERMARKS, f"shard {shard}, position {position}", trouble)
