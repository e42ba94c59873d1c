"""What a benchmark sent and received is as the published schemas say, or else the benchmark fails."""

from datetime import UTC, datetime

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from benchmarks.failures import BenchmarkFailed
from schemas.records import Record
from schemas.topics import INPUT_TOPICS, OUTPUT_TOPICS, Topic
from tests.support.contract_files import check_published, check_read
from workers.runtime.settings import Settings

_OF_EACH_PARTITION = 1_000
"""A benchmark makes all messages of a kind in one place; so the first ones tell."""


async def check_messages(settings: Settings) -> None:
    """Hold the messages on an installation's topics against the schemas, of each partition the first thousand.

    Raises BenchmarkFailed for one that is not as they say, also for one that whopays refuses.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    try:
        await consumer.start()
        for topic in (*INPUT_TOPICS, *OUTPUT_TOPICS, Topic.WATERMARKS):
            numbers = range(1 if topic is Topic.WATERMARKS else settings.topic_partitions)
            for partition in [TopicPartition(settings.topic(topic), number) for number in numbers]:
                await _check(consumer, partition, is_sent=topic in INPUT_TOPICS)
    finally:
        await consumer.stop()


async def _check(consumer: AIOKafkaConsumer, partition: TopicPartition, *, is_sent: bool) -> None:
    consumer.assign([partition])
    begins = await consumer.beginning_offsets([partition])
    ends = await consumer.end_offsets([partition])
    end = min(ends[partition], begins[partition] + _OF_EACH_PARTITION)
    while await consumer.position(partition) < end:
        for records in (await consumer.getmany(timeout_ms=1000, max_records=_OF_EACH_PARTITION)).values():
            for record in records:
                try:
                    _check_one(record, is_sent=is_sent)
                except AssertionError as wrong:
                    place = f"{record.topic}/{record.partition}/{record.offset}"
                    raise BenchmarkFailed(f"{place} is not as its schema says: {wrong}") from None


def _check_one(record: ConsumerRecord, *, is_sent: bool) -> None:
    if not is_sent:
        check_published(record.value)
        return
    said = Record(record.topic, 0, 0, datetime.now(UTC), record.key, tuple(record.headers), record.value)
    assert check_read(said) is not None, "whopays refuses it"
