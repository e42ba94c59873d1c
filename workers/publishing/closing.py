"""What one relay does for all slots: raises idle shards, and tells readers up to which instant they are complete.

For the other slots it relies on the lower bounds of published positions in the database, which their relays record
after Kafka has committed them. So everything that they cover lies before the ends that it fetches from the broker
afterwards.
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
        """Return one for a producer that has just read `kept`."""
        ends = await _ends(settings, producer, asking)
        return cls(engine, settings, Watermarks(settings, kept, ends), asking)

    @property
    def closed_until(self) -> datetime | None:
        """The instant up to which readers were told that they are complete."""
        return self._watermarks.closed_until

    async def raise_idle(self, connection: AsyncConnection) -> None:
        """Raise idle shards when it is time; the connection must be in autocommit."""
        await self._idle.raise_them(connection)

    def see(self, heads: Mapping[int, Head]) -> None:
        """Remember the heads of all shards."""
        self._watermarks.see(heads)

    async def next(
        self, connection: AsyncConnection, producer: AIOKafkaProducer, positions: Mapping[int, Position]
    ) -> LastWatermark | None:
        """Return the watermark to write now, if one is due; `positions` are those of this relay's slot."""
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
        """Record the offsets of a committed transaction's batches, and the watermark that it contained."""
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
