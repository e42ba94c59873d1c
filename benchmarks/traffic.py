"""Records sent to topics, and records seen on them by a reader of committed ones."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from benchmarks.failures import BenchmarkFailed
from workers.settings import Settings

_SECONDS_WITHOUT_PROGRESS = 60.0
_QUIET_MILLISECONDS = 500

Offsets = dict[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class Message:
    """A record to send."""

    key: bytes
    value: bytes


async def send(settings: Settings, topic: str, messages: Sequence[Message]) -> None:
    """Send records and wait until the broker has acknowledged all; `topic` with its prefix."""
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers, acks="all", linger_ms=5, max_batch_size=256 * 1024
    )
    await producer.start()
    try:
        sent = [await producer.send(topic, key=message.key, value=message.value) for message in messages]
        await producer.flush()
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


async def ends(settings: Settings, topic: str) -> Offsets:
    """Give where each partition of a topic ends now."""
    async with _consumer(settings) as consumer:
        offsets: Offsets = await consumer.end_offsets(partitions_of(settings, topic))
        return offsets


class Observer:
    """A `read_committed` reader of one topic, from given offsets on."""

    def __init__(self, consumer: AIOKafkaConsumer, topic: str) -> None:
        self._consumer = consumer
        self._topic = topic
        self.records: list[ConsumerRecord] = []

    async def see(self, count: int, check: Callable[[], None] = lambda: None) -> float:
        """Read until `count` records are seen in all, and give when (`time.perf_counter`) the last one was.

        `check` is called while nothing comes. Raises BenchmarkFailed when nothing comes for a minute.
        """
        last = time.perf_counter()
        while len(self.records) < count:
            batches = await self._consumer.getmany(timeout_ms=1000)
            if batches:
                last = time.perf_counter()
                for records in batches.values():
                    self.records.extend(records)
                continue
            check()
            if time.perf_counter() - last > _SECONDS_WITHOUT_PROGRESS:
                seen = len(self.records)
                raise BenchmarkFailed(f"only {seen} of {count} records came to {self._topic}, and then none any more")
        return last

    async def expect_no_more(self, count: int) -> None:
        """Make sure that there are `count` records and no more come. Raises BenchmarkFailed."""
        for records in (await self._consumer.getmany(timeout_ms=_QUIET_MILLISECONDS)).values():
            self.records.extend(records)
        if len(self.records) != count:
            raise BenchmarkFailed(f"{len(self.records)} records came to {self._topic} instead of {count}")


@asynccontextmanager
async def observing(settings: Settings, topic: str, since: Offsets) -> AsyncIterator[Observer]:
    """Give an observer of a topic that is connected and stands at the offsets."""
    async with _consumer(settings) as consumer:
        consumer.assign(list(since))
        for partition, offset in since.items():
            consumer.seek(partition, offset)
        await consumer.getmany(timeout_ms=1)
        yield Observer(consumer, topic)


def partitions_of(settings: Settings, topic: str) -> list[TopicPartition]:
    """Give all partitions of a topic, which was made with as many as the settings say."""
    return [TopicPartition(topic, number) for number in range(settings.topic_partitions)]


@asynccontextmanager
async def _consumer(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        isolation_level="read_committed",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()
