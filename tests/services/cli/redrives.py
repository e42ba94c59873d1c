"""What redrives put on the topics."""

from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.records import REDRIVE_HEADER
from schemas.topics import Topic
from tests.support.installations import Installation


async def on_topic(installation: Installation, topic: Topic = Topic.PROJECTS) -> list[Any]:
    """Return the records of an input topic, by partition and offset."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=installation.kafka_bootstrap_servers, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    name = installation.settings.topic(topic)
    partitions = [TopicPartition(name, number) for number in range(installation.settings.topic_partitions)]
    found: list[Any] = []
    try:
        await consumer.start()
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        while any([await consumer.position(one) < end for one, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += records
    finally:
        await consumer.stop()
    return sorted(found, key=lambda record: (record.partition, record.offset))


def of_redrives(records: list[Any]) -> list[Any]:
    """Return those that a redrive put there."""
    return [record for record in records if any(name == REDRIVE_HEADER for name, _ in record.headers)]
