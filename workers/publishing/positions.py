"""How far the log is published: the relay's cursor, kept in Kafka in the same transactions as the events."""

import asyncio
from dataclasses import dataclass

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from workers.runtime.settings import Settings

_READ_SECONDS = 60
_STOP_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Position:
    """The last published row of a shard's log, and its hash."""

    position: int
    hash: bytes


BEGINNING = Position(0, b"")


class PositionsUnreadable(Exception):
    """The topic of positions cannot be read to its end."""


def render_position(shard: int, position: Position) -> tuple[bytes, bytes]:
    """Return the key and value of a shard's record on `relay-positions`."""
    value = {"shard": shard, "position": position.position, "hash": position.hash.hex()}
    return str(shard).encode(), orjson.dumps(value)


async def read_positions(settings: Settings, topic: str) -> dict[int, Position]:
    """Read all positions, committed ones only, to the end of the topic as it stands."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    try:
        async with asyncio.timeout(_READ_SECONDS):
            await consumer.start()
            return await _read_to_end(consumer, topic)
    except TimeoutError:
        raise PositionsUnreadable(f"{topic} could not be read to its end in {_READ_SECONDS} s") from None
    finally:
        # Stopped right after its start, it cancels whatever waits for it.
        await asyncio.wait([asyncio.create_task(consumer.stop())], timeout=_STOP_SECONDS)


async def _read_to_end(consumer: AIOKafkaConsumer, topic: str) -> dict[int, Position]:
    partitions = [TopicPartition(topic, 0)]
    consumer.assign(partitions)
    await consumer.seek_to_beginning(*partitions)
    ends = await consumer.end_offsets(partitions)
    positions: dict[int, Position] = {}
    # Transactions leave markers that are not records, so the reader's position counts, not what it received.
    while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
        for records in (await consumer.getmany(timeout_ms=200)).values():
            for record in records:
                value = orjson.loads(record.value)
                positions[value["shard"]] = Position(value["position"], bytes.fromhex(value["hash"]))
    return positions
