"""How far in time readers of `bindings` are complete: the watermarks of one producer (docs/contract.md section 7).

A head, as read, guarantees that everything after its position is also after its instant. It counts once that position
is published. All of this is valid only for one producer: another producer's events, or a database that went back,
would invalidate it.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from db.shards import Head
from schemas.outgoing import headers_of
from schemas.topics import Topic
from schemas.watermarks import WATERMARK_KEY, Watermark
from workers.publishing.positions import BEGINNING, Kept, LastWatermark, Position, render_watermark
from workers.publishing.producer import Place
from workers.runtime.settings import Settings

BUSY_SECONDS = 1.0
IDLE_SECONDS = 5.0
_NO_INSTANT = datetime.min.replace(tzinfo=UTC)
"""The last instant of a shard that has none yet."""
_NEVER = datetime.max.replace(tzinfo=UTC)
"""The instant up to which a permanently closed shard is closed."""


class OffsetUnknown(KafkaError):  # type: ignore[misc]
    """The end of a partition is unknown: it was added, or the broker returned no offset.

    The next producer fetches the ends of all partitions again.
    """


class Watermarks:
    """The watermarks of one producer; `kept` has the last one, and `ends` are those of the partitions of `bindings`."""

    def __init__(self, settings: Settings, kept: Kept, ends: Sequence[int]) -> None:
        self._settings = settings
        self._last = kept.last
        self._floor = kept.floor
        self._ends = list(ends)
        self._heads: dict[int, Head] = {}
        self._closed: dict[int, datetime] = {}
        self._has_published = False
        self._written = 0.0

    @property
    def closed_until(self) -> datetime | None:
        """The instant up to which readers were told that they are complete."""
        return self._last.watermark.closed_until if self._last else None

    def see(self, heads: Mapping[int, Head]) -> None:
        """Remember the heads of all shards; a remembered head is kept until it is published."""
        for shard, head in heads.items():
            waiting = self._heads.get(shard)
            if waiting is None or waiting.position == head.position:
                self._heads[shard] = head

    def count(self, positions: Mapping[int, Position]) -> None:
        """Close the shards whose remembered heads are published; Kafka has committed `positions`."""
        for shard, head in list(self._heads.items()):
            if positions.get(shard, BEGINNING).position >= head.position:
                self._closed[shard] = _NEVER if head.is_closed else head.last_instant
                del self._heads[shard]

    def end_at(self, ends: Sequence[int]) -> None:
        """Set the ends of the partitions, which were fetched after the positions that are counted."""
        self._ends = list(ends)

    def hear_of_others(self) -> None:
        """Record that another slot has published something."""
        self._has_published = True

    def published(self, batches: Sequence[tuple[Place, Any]], offsets: Sequence[int]) -> None:
        """Record the offsets of a committed transaction's batches. Raises OffsetUnknown."""
        bindings = self._settings.topic(Topic.BINDINGS)
        for ((topic, partition), batch), offset in zip(batches, offsets, strict=True):
            self._has_published = True
            if topic == bindings:
                if offset < 0 or partition >= len(self._ends):
                    raise OffsetUnknown(topic)
                self._ends[partition] = offset + batch.record_count()

    def is_due(self) -> bool:
        """Return whether a watermark is due: more often while anything is being published."""
        return time.monotonic() - self._written >= (BUSY_SECONDS if self._has_published else IDLE_SECONDS)

    async def next(self, producer: AIOKafkaProducer) -> LastWatermark | None:
        """Return the watermark to write now: the last one unchanged, if nothing was closed since.

        Raises OffsetUnknown if the topic has partitions whose ends were not fetched.
        """
        now = datetime.now(UTC)
        closed = self._closed_by(now)
        if closed is None or (self._floor is not None and closed <= self._floor):
            return self._last
        bindings = self._settings.topic(Topic.BINDINGS)
        if len(await producer.partitions_for(bindings)) > len(self._ends):
            raise OffsetUnknown(bindings)
        watermark = Watermark(closed_until=closed, offsets=tuple(self._ends))
        return LastWatermark(watermark, watermark.rendered(now, self._settings.source))

    def batches(self, producer: AIOKafkaProducer, last: LastWatermark) -> list[tuple[Place, Any]]:
        """Return the records of a watermark: on its own topic and beside the positions."""
        records = {
            Topic.WATERMARKS: (WATERMARK_KEY, last.value, headers_of(last.value)),
            Topic.RELAY_POSITIONS: (*render_watermark(last.value), []),
        }
        batches: list[tuple[Place, Any]] = []
        for topic, (key, value, headers) in records.items():
            batch = producer.create_batch()
            batch.append(timestamp=None, key=key, value=value, headers=headers)
            batches.append(((self._settings.topic(topic), 0), batch))
        return batches

    def written(self, last: LastWatermark) -> None:
        """Record that a watermark is committed."""
        self._has_published = False
        self._written = time.monotonic()
        self._last = last
        self._floor = last.watermark.closed_until

    def _closed_by(self, now: datetime) -> datetime | None:
        """Return the earliest instant of all shards, at most `now`: a clock may have leapt ahead."""
        if len(self._closed) < self._settings.shard_numbers.stop or _NO_INSTANT in self._closed.values():
            return None
        return min(now, *self._closed.values())
