"""Records sent to topics, and records seen on them by a reader of committed ones."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from benchmarks.failures import BenchmarkFailed
from workers.runtime.settings import Settings

_SECONDS_WITHOUT_PROGRESS = 60.0
_QUIET_MILLISECONDS = 500

Offsets = dict[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class Message:
    """A record to send."""

    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


@asynccontextmanager
async def producing(settings: Settings, linger_milliseconds: int = 0) -> AsyncIterator[AIOKafkaProducer]:
    """Yield a producer that waits for all replicas."""
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        acks="all",
        linger_ms=linger_milliseconds,
        max_batch_size=256 * 1024,
    )
    try:
        await producer.start()
        yield producer
    finally:
        await producer.stop()


async def send(settings: Settings, topic: str, messages: Sequence[Message]) -> None:
    """Send records and wait until the broker has acknowledged all; `topic` with its prefix."""
    async with producing(settings, linger_milliseconds=5) as producer:
        sent = [
            await producer.send(topic, key=message.key, value=message.value, headers=list(message.headers))
            for message in messages
        ]
        await producer.flush()
        await asyncio.gather(*sent)


async def ends(settings: Settings, *topics: str) -> Offsets:
    """Return where each partition of the topics ends now.

    That includes what a transaction wrote whose end is noted on another partition already, and not yet on this one.
    """
    async with _consumer(settings, isolation_level="read_uncommitted") as consumer:
        partitions = [partition for topic in topics for partition in partitions_of(settings, topic)]
        offsets: Offsets = await consumer.end_offsets(partitions)
        return offsets


class Observer:
    """A `read_committed` reader of given partitions, from given offsets on.

    `seen` counts the records; `records` has them, and `arrivals` when (`time.perf_counter`) how many had come, where
    the observer keeps them. One that only counts takes less of the cores that are measured.
    """

    def __init__(self, consumer: AIOKafkaConsumer, topic: str, *, keep: bool) -> None:
        self._consumer = consumer
        self._topic = topic
        self._keep = keep
        self.seen = 0
        self.records: list[ConsumerRecord] = []
        self.arrivals: list[tuple[float, int]] = []

    async def see(
        self, count: int, check: Callable[[], None] = lambda: None, show: Callable[[int], None] = lambda _: None
    ) -> float:
        """Read until `count` records are seen in all, and return when (`time.perf_counter`) the last one was.

        `check` is called while nothing comes, `show` with how many have come. Raises BenchmarkFailed when nothing comes
        for a minute.
        """
        last = time.perf_counter()
        while self.seen < count:
            if await self._poll(1000):
                last = time.perf_counter()
                show(self.seen)
                continue
            check()
            if time.perf_counter() - last > _SECONDS_WITHOUT_PROGRESS:
                raise BenchmarkFailed(
                    f"only {self.seen} of {count} records came to {self._topic}, and then none any more"
                )
        return last

    async def expect_no_more(self, count: int) -> None:
        """Make sure that there are `count` records and no more come. Raises BenchmarkFailed."""
        await self._poll(_QUIET_MILLISECONDS)
        if self.seen != count:
            raise BenchmarkFailed(f"{self.seen} records came to {self._topic} instead of {count}")

    async def _poll(self, milliseconds: int) -> bool:
        batches = await self._consumer.getmany(timeout_ms=milliseconds)
        for records in batches.values():
            self.seen += len(records)
            if self._keep:
                self.records.extend(records)
        if batches and self._keep:
            self.arrivals.append((time.perf_counter(), self.seen))
        return bool(batches)


@asynccontextmanager
async def observing(settings: Settings, topic: str, since: Offsets, *, keep: bool = True) -> AsyncIterator[Observer]:
    """Yield an observer that is connected and stands at the offsets; `topic` says in failures what is observed."""
    async with _consumer(settings, since) as consumer:
        await consumer.getmany(timeout_ms=1)
        yield Observer(consumer, topic, keep=keep)


async def records_since(settings: Settings, since: Offsets) -> AsyncIterator[ConsumerRecord]:
    """Yield the committed records of partitions from the offsets to where they end now."""
    async with _consumer(settings, since) as consumer:
        until = await consumer.end_offsets(list(since))
        # Transactions leave markers that are no records, so what counts is where the reader stands, not what it got.
        while any([await consumer.position(partition) < until[partition] for partition in since]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    yield record


def partitions_of(settings: Settings, topic: str) -> list[TopicPartition]:
    """Return all partitions of a topic, which was made with as many as the settings say."""
    return [TopicPartition(topic, number) for number in range(settings.topic_partitions)]


@asynccontextmanager
async def _consumer(
    settings: Settings, since: Offsets | None = None, *, isolation_level: str = "read_committed"
) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers, isolation_level=isolation_level, enable_auto_commit=False
    )
    try:
        await consumer.start()
        if since is not None:
            consumer.assign(list(since))
            for partition, offset in since.items():
                consumer.seek(partition, offset)
        yield consumer
    finally:
        await consumer.stop()
