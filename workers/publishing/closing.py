"""What one relay does for the slots of all: it raises idle shards, and tells readers up to when they are complete.

Of the other slots it believes what the database says is published at least, which their relays note after Kafka has
committed it. So whatever that counts stands before the ends for which it asks the broker afterwards.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from aiokafka import AIOKafkaProducer
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.published import published_at_least
from db.shards import Head
from schemas.topics import Topic
from workers.publishing.idle import IdleShards
from workers.publishing.positions import Ends, Kept, LastWatermark, Position
from workers.publishing.producer import Place
from workers.publishing.watermarks import Watermarks
from workers.runtime.settings import Settings

_LOOK_SECONDS = 0.25


class Closing:
    """Closes the shards of all slots, for as long as its relay has one producer."""

    def __init__(self, engine: AsyncEngine, settings: Settings, watermarks: Watermarks, asking: Ends) -> None:
        self._settings = settings
        self._idle = IdleShards(engine)
        self._watermarks = watermarks
        self._asking = asking
        self._others: dict[int, Position] = {}
        self._looked = 0.0

    @classmethod
    async def of(
        cls, engine: AsyncEngine, settings: Settings, kept: Kept, producer: AIOKafkaProducer, asking: Ends
    ) -> "Closing":
        """Return the one of a producer that has just read what is kept."""
        ends = await _ends(settings, producer, asking)
        return cls(engine, settings, Watermarks(settings, kept, ends), asking)

    @property
    def closed_until(self) -> datetime | None:
        """Up to which instant readers were told that they are complete."""
        return self._watermarks.closed_until

    async def raise_idle(self, connection: AsyncConnection) -> None:
        """Raise idle shards when it is time; the connection commits by itself."""
        await self._idle.raise_them(connection)

    def see(self, heads: Mapping[int, Head]) -> None:
        """Remember the heads of all shards."""
        self._watermarks.see(heads)

    async def next(
        self, connection: AsyncConnection, producer: AIOKafkaProducer, positions: Mapping[int, Position]
    ) -> LastWatermark | None:
        """Return the watermark to write now, if it is time, by the positions of one's own slot."""
        await self._look_at_others(connection)
        self._watermarks.count({**self._others, **positions})
        if not self._watermarks.is_due():
            return None
        if self._settings.relay_slots > 1:
            self._watermarks.end_at(await _ends(self._settings, producer, self._asking))
        return await self._watermarks.next(producer)

    def batches(self, producer: AIOKafkaProducer, watermark: LastWatermark) -> list[tuple[Place, Any]]:
        """Return the records of a watermark."""
        return self._watermarks.batches(producer, watermark)

    def published(
        self, batches: Sequence[tuple[Place, Any]], offsets: Sequence[int], watermark: LastWatermark | None
    ) -> None:
        """Note where batches of a committed transaction begin, and the watermark that it took with it."""
        if watermark is not None:
            self._watermarks.written(watermark)
        self._watermarks.published(batches, offsets)

    async def _look_at_others(self, connection: AsyncConnection) -> None:
        if self._settings.relay_slots == 1 or time.monotonic() - self._looked < _LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        found = {shard: Position(at, b"") for shard, at in (await published_at_least(connection)).items()}
        if found != self._others:
            self._others = found
            self._watermarks.hear_of_others()


async def _ends(settings: Settings, producer: AIOKafkaProducer, asking: Ends) -> tuple[int, ...]:
    bindings = settings.topic(Topic.BINDINGS)
    return await asking.of(bindings, len(await producer.partitions_for(bindings)))
