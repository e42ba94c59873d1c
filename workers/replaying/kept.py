"""How far a replay is, as Kafka keeps it: written in the same transactions as the records."""

import asyncio

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.topics import Topic
from workers.publishing.positions import PositionsUnreadable
from workers.replaying.tally import Tally
from workers.runtime.settings import Settings

_READ_SECONDS = 60
_STOP_SECONDS = 5
_POLL_MS = 200


async def read_tally(settings: Settings, name: str) -> Tally | None:
    """Return what is committed of a replay; None before its first transaction. Raises PositionsUnreadable."""
    topic = settings.topic(Topic.REPLAY_POSITIONS)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    try:
        async with asyncio.timeout(_READ_SECONDS):
            await consumer.start()
            value = await _last_value(consumer, TopicPartition(topic, 0), name.encode())
    except TimeoutError:
        raise PositionsUnreadable(f"{topic} could not be read to its end in {_READ_SECONDS} s") from None
    finally:
        # Stopped right after its start, it cancels whatever waits for it.
        await asyncio.wait([asyncio.create_task(consumer.stop())], timeout=_STOP_SECONDS)
    return Tally.read(value) if value else None


async def _last_value(consumer: AIOKafkaConsumer, partition: TopicPartition, key: bytes) -> bytes | None:
    consumer.assign([partition])
    await consumer.seek_to_beginning(partition)
    end = (await consumer.end_offsets([partition]))[partition]
    value: bytes | None = None
    # Transactions leave markers that are not records, so the reader's position counts, not what it received.
    while await consumer.position(partition) < end:
        for record in (await consumer.getmany(timeout_ms=_POLL_MS)).get(partition, []):
            value = record.value if record.key == key else value
    return value
