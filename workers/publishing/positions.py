"""How far the log is published: the relay's cursor, stored in Kafka in the same transactions as the events.

The last watermark is stored beside it in the same transaction, so that it holds for these positions.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime

import orjson
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from db.errors import is_transient
from schemas.topics import Topic
from schemas.watermarks import Watermark
from workers.runtime.kafka import kafka_options, kafka_reading_options
from workers.runtime.settings import Settings
from workers.topics.cluster import administration, partitions_of

_READ_SECONDS = 60
_STOP_SECONDS = 5
_POLL_MS = 200


@dataclass(frozen=True, slots=True)
class Position:
    """The last published row of a shard's log, and its hash."""

    position: int
    hash: bytes


BEGINNING = Position(0, b"")
_WATERMARK_KEY = b"watermark"


@dataclass(frozen=True, slots=True)
class LastWatermark:
    """A watermark, and its record's value on its topic."""

    watermark: Watermark
    value: bytes


@dataclass(slots=True)
class Kept:
    """A relay's state in Kafka: the positions, and the last watermark that was written together with them.

    `seen` is the latest watermark that readers may have seen: the same one, unless the positions were lost. It is used
    only then.
    """

    positions: dict[int, Position] = field(default_factory=dict)
    last: LastWatermark | None = None
    seen: LastWatermark | None = None

    @property
    def floor(self) -> datetime | None:
        """The instant up to which readers may have been told that they are complete."""
        told = self.last or self.seen
        return told.watermark.closed_until if told else None


class PositionsUnreadable(Exception):
    """The topic of positions cannot be read to its end."""


def is_retryable(error: BaseException) -> bool:
    """Return whether a retry may succeed: the database or Kafka is unavailable or busy, or a producer was fenced."""
    return is_transient(error) or isinstance(error, KafkaError | PositionsUnreadable)


def render_position(shard: int, position: Position) -> tuple[bytes, bytes]:
    """Return the key and value of a shard's record on `relay-positions`."""
    value = {"shard": shard, "position": position.position, "hash": position.hash.hex()}
    return str(shard).encode(), orjson.dumps(value)


def render_watermark(value: bytes) -> tuple[bytes, bytes]:
    """Return the key and value of the last watermark's record on `relay-positions`."""
    return _WATERMARK_KEY, value


async def read_kept(settings: Settings) -> Kept:
    """Read committed positions and watermarks, up to the current ends of their topics."""
    kept = Kept()
    positions, watermarks = settings.topic(Topic.RELAY_POSITIONS), settings.topic(Topic.WATERMARKS)
    async with committed(settings, positions, watermarks) as records:
        async for record in records:
            if record.topic == watermarks:
                with suppress(ValueError):  # `whopays verify` reports malformed ones
                    kept.seen = LastWatermark(Watermark.parsed(record.value or b""), record.value)
            elif record.key == _WATERMARK_KEY:
                kept.last = LastWatermark(Watermark.parsed(record.value), record.value)
            else:
                value = orjson.loads(record.value)
                kept.positions[value["shard"]] = Position(value["position"], bytes.fromhex(value["hash"]))
    return kept


class Ends:
    """Fetches the end offsets of partitions, including records of open transactions."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer

    async def of(self, topic: str, partitions: int) -> tuple[int, ...]:
        """Return the end offsets of a topic's `partitions` partitions, in order."""
        numbers = [TopicPartition(topic, number) for number in range(partitions)]
        ends = await self._consumer.end_offsets(numbers)
        return tuple(ends[number] for number in numbers)


async def read_beginnings(settings: Settings, topics: Sequence[str]) -> dict[TopicPartition, int]:
    """Return the first offset that each partition of the topics still holds."""
    async with administration(settings) as admin:
        partitions = await partitions_of(admin, topics)
    async with _consumer(settings, *topics) as consumer:
        found: dict[TopicPartition, int] = await consumer.beginning_offsets(partitions)
    return found


@asynccontextmanager
async def asking_ends(settings: Settings) -> AsyncIterator[Ends]:
    """Yield a connected `Ends`."""
    # To a read_committed consumer the broker would return the start of the first open transaction.
    consumer = AIOKafkaConsumer(**kafka_options(settings))
    try:
        async with asyncio.timeout(_READ_SECONDS):
            await consumer.start()
        yield Ends(consumer)
    finally:
        await _stopped(consumer)


@asynccontextmanager
async def committed(settings: Settings, *topics: str) -> AsyncIterator[AsyncIterator[ConsumerRecord]]:
    """Yield the committed records of single-partition topics. Raises PositionsUnreadable if that takes too long."""
    async with asking_ends(settings) as asking, _consumer(settings, *topics) as consumer:
        # With several slots some transaction is always open, and what other slots have committed since lies behind it.
        ends = {TopicPartition(topic, 0): (await asking.of(topic, 1))[0] for topic in topics}
        yield _to_the_end(consumer, ends)


@asynccontextmanager
async def _consumer(settings: Settings, *topics: str) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(**kafka_reading_options(settings))
    try:
        async with asyncio.timeout(_READ_SECONDS):
            await consumer.start()
            yield consumer
    except TimeoutError:
        names = " and ".join(topics)
        raise PositionsUnreadable(f"{names} could not be read to the end in {_READ_SECONDS} s") from None
    finally:
        await _stopped(consumer)


async def _stopped(consumer: AIOKafkaConsumer) -> None:
    # A consumer that is stopped right after its start cancels the task that awaits it.
    await asyncio.wait([asyncio.create_task(consumer.stop())], timeout=_STOP_SECONDS)


async def _to_the_end(consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> AsyncIterator[ConsumerRecord]:
    consumer.assign(list(ends))
    await consumer.seek_to_beginning(*ends)
    # Transaction markers take offsets but are not records, so check the reader's position, not what it received.
    while any([await consumer.position(partition) < end for partition, end in ends.items()]):
        for records in (await consumer.getmany(timeout_ms=_POLL_MS)).values():
            for record in records:
                yield record
