"""A consumer's subscription: fetches records, hands them to a strategy, and acknowledges those that it has finished.

FastStream connects, subscribes and runs the loop. We override two steps of that loop. Fetching is watched, because
nothing else would show that the loop hangs or only gets errors. And records go to the strategy unparsed, because
FastStream parses headers (one that it cannot decode would lose the batch) and swallows whatever a handler raises
(which would lose it, too).
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from itertools import chain
from typing import Any, TypeVar, cast

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream._internal.endpoint.subscriber.call_item import CallsCollection
from faststream.kafka import KafkaBroker
from faststream.kafka.broker.registrator import KafkaRegistrator
from faststream.kafka.configs import KafkaBrokerConfig
from faststream.kafka.schemas import Topic as KafkaTopic
from faststream.kafka.subscriber.config import KafkaSubscriberConfig, KafkaSubscriberSpecificationConfig
from faststream.kafka.subscriber.specification import KafkaSubscriberSpecification
from faststream.kafka.subscriber.usecase import BatchSubscriber
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.records import Record
from schemas.topics import Topic
from workers.batches.messages import Reader
from workers.batches.progress import Progress, insist_on
from workers.batches.transaction import Batches, Stopping
from workers.consuming.boundaries import boundary_of
from workers.consuming.lanes import Lanes
from workers.consuming.open_transactions import OpenTransactions
from workers.consuming.start_positions import Reading
from workers.consuming.strategy import Strategy
from workers.runtime.liveness import Liveness
from workers.runtime.metrics import Metrics
from workers.runtime.roles import Role
from workers.runtime.settings import Settings

_PARTITION_FETCH_BYTES = 128 * 1024
"""Small, so that each fetch covers all partitions and none runs far ahead of the others."""
_MOST_FETCHED = 2_000
"""Records handed over at once, which takes about ten milliseconds. The size of batches is separate."""
_SIZE_FACTOR_WITH_TOKENS = 3
"""How many times larger commands are with tokens: a fetch should return as many of them as without."""
_FETCH_TIMEOUT_MS = 200
"""How long a fetch waits when there are no records; the first to arrive ends it."""
_LONGEST_BATCH_MS = 15 * 60 * 1000
_HAND_OVER_SECONDS = 2.0
_HEARTBEAT_MS = 500
"""How soon a member learns of a rebalance; until all members have joined, the partitions that move are not read."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_MS = 253_402_300_799_999
"""The last millisecond that a datetime can hold; a record's timestamp is whatever its producer wrote."""

T = TypeVar("T")

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Consumer:
    """The definition of a consumer: its role, its topic, and its reader of records."""

    role: Role
    topic: Topic
    reader: Callable[[Settings], Reader]


def consumer_group(settings: Settings, role: Role) -> str:
    """Return the consumer group of a role."""
    return f"whopays-{settings.installation}-{role}"


class Subscription(BatchSubscriber):
    """A consumer's subscription; a record is acknowledged only after everything that follows from it is committed.

    It must be ended before the broker is stopped. Errors that it cannot recover from go to `fail`.
    """

    def __init__(
        self,
        consumer: Consumer,
        broker: KafkaBroker,
        *,
        settings: Settings,
        engine: AsyncEngine,
        metrics: Metrics,
        stopping: asyncio.Event,
        batches: Batches,
        fail: Callable[[BaseException], None],
    ) -> None:
        self.role = consumer.role
        self.liveness = Liveness(fail)
        self._turns = metrics.turns
        self._topic = settings.topic(consumer.topic)
        self._read = consumer.reader(settings)
        self._batches = batches
        self._fail = fail
        self._lanes = Lanes(
            self._process,
            source=self,
            batch_records=settings.batch_max_records,
            boundary_of=partial(boundary_of, most_bytes=settings.max_value_bytes),
            shard_of=settings.shard_of,
            fail=fail,
        )
        waiting = self._lanes.waiting
        metrics.watch_waiting(consumer.role, lambda: waiting.records, lambda: waiting.bytes)
        self._fetched_in = self._lanes.generation
        has_tokens = settings.auth == "jwt" and consumer.role is Role.ADMIN_COMMANDS
        reading = Reading(
            role=consumer.role,
            topic=self._topic,
            engine=engine,
            metrics=metrics,
            open_transactions=OpenTransactions(consumer.role, settings.kafka_bootstrap_servers),
            stopping=stopping,
            strategy=self._lanes,
            acknowledge=self.acknowledge,
            fail=fail,
        )
        config = cast(KafkaBrokerConfig, broker.config)  # as FastStream casts it
        topics = [KafkaTopic(self._topic)]
        calls = CallsCollection[Any]()
        super().__init__(
            KafkaSubscriberConfig(
                _outer_config=config,
                _ack_policy=AckPolicy.MANUAL,
                topics=topics,
                group_id=consumer_group(settings, consumer.role),
                listener=_Rebalancing(
                    self._lanes, reading, lambda: self.consumer, partial(metrics.turns.begun, consumer.role)
                ),
                connection_args={
                    # `Reading` decides where to start, and never skips deleted records silently.
                    "auto_offset_reset": "none",
                    "isolation_level": "read_committed",
                    "max_partition_fetch_bytes": _PARTITION_FETCH_BYTES
                    * (_SIZE_FACTOR_WITH_TOKENS if has_tokens else 1),
                    "max_poll_interval_ms": _LONGEST_BATCH_MS,
                    "heartbeat_interval_ms": _HEARTBEAT_MS,
                },
            ),
            KafkaSubscriberSpecification(
                _outer_config=config,
                specification_config=KafkaSubscriberSpecificationConfig(topics=topics, title_=None, description_=None),
                calls=calls,
            ),
            calls,
            batch_timeout_ms=_FETCH_TIMEOUT_MS,
            max_records=_MOST_FETCHED,
        )
        # As `broker.subscriber(...)` registers a subscriber that it has created itself.
        super(KafkaRegistrator, broker).subscriber(self)

    async def start(self) -> None:
        """Subscribe, and run the loop, which FastStream runs only for subscribers with handlers."""
        await super().start()
        self.add_task(self._run_consume_loop, (self.consumer,))

    async def get_msg(self, consumer: AIOKafkaConsumer) -> tuple[ConsumerRecord, ...]:
        """Fetch records, and let `liveness` watch the fetch."""
        self._turns.turned(self.role)
        with self.liveness.fetching(lambda: bool(consumer.partitions_for_topic(self._topic))):
            # FastStream's own version sleeps after an empty fetch, and so notices new records late.
            fetched = await consumer.getmany(timeout_ms=_FETCH_TIMEOUT_MS, max_records=self.max_records)
        self._fetched_in = self._lanes.generation
        return tuple(chain.from_iterable(fetched.values()))

    async def consume_one(self, msg: tuple[ConsumerRecord, ...]) -> None:
        """Submit the fetched records to the strategy."""
        try:
            with self.liveness.handing_over():
                await self._lanes.submit([_record(raw) for raw in msg], self._fetched_in)
        except Exception as error:
            # These records will not be fetched again: to carry on would skip them.
            self._fail(error)
            raise

    async def end(self, seconds: float) -> None:
        """Stop fetching, and wait at most `seconds` for batches in progress."""
        await self._lanes.end(seconds)

    async def acknowledge(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit offsets of the partitions that are still assigned; the others have a new owner."""
        if self.consumer is None:
            return
        assigned = self.consumer.assignment()
        try:
            if mine := {partition: offset for partition, offset in offsets.items() if partition in assigned}:
                await self.consumer.commit(mine)
        except KafkaError as error:
            # The group was rebalanced or the broker is unavailable. The records will be read again, and change nothing.
            logger.warning("offsets_not_committed", role=self.role, error=type(error).__name__)

    def pause(self, partition: TopicPartition) -> None:
        """Stop fetching from a partition until it is resumed."""
        if self.consumer is not None and partition in self.consumer.assignment():
            self.consumer.pause(partition)

    def resume(self, partition: TopicPartition) -> None:
        """Fetch from a partition again."""
        if self.consumer is not None and partition in self.consumer.assignment():
            self.consumer.resume(partition)

    async def _process(self, records: list[Record], progress: Mapping[TopicPartition, Progress]) -> bool:
        """Make everything that follows from a batch durable; return False if that fails and the process is to stop."""
        try:
            await self._batches.process(self.role, records, self._read, progress)
            insist_on(records, progress)
        except Stopping:
            return False
        except Exception as error:
            logger.exception("consumer_failed", role=self.role)
            self._fail(error)
            return False
        return True


class _Rebalancing(ConsumerRebalanceListener):  # type: ignore[misc]
    """Hands over partitions so that as few records as possible are read again."""

    def __init__(
        self,
        strategy: Strategy,
        reading: Reading,
        consumer: Callable[[], AIOKafkaConsumer | None],
        begun: Callable[[], None],
    ) -> None:
        self._begun = begun
        self._strategy = strategy
        self._reading = reading
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        self._reading.end()
        if revoked:
            self._strategy.close()
            await self._strategy.join(_HAND_OVER_SECONDS)

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        # Also when this consumer gets no partition, because there are more consumers than partitions.
        self._begun()
        if (consumer := self._consumer()) is not None:
            self._reading.begin(consumer, assigned)


def _record(raw: ConsumerRecord) -> Record:
    headers = tuple(raw.headers)
    return Record(
        topic=raw.topic,
        partition=raw.partition,
        offset=raw.offset,
        timestamp=_instant(raw.timestamp),
        key=_shared(raw.key),
        headers=_shared(headers) if len(headers) == 1 and headers[0][0] == "content-type" else headers,
        value=raw.value,
    )


@lru_cache(maxsize=4096)
def _instant(milliseconds: int) -> datetime:
    """Return the instant of a timestamp; equal timestamps share one object."""
    return _EPOCH + timedelta(milliseconds=min(max(milliseconds, 0), _LATEST_MS))


@lru_cache(maxsize=4096)
def _shared(part: T) -> T:
    """Return one shared object for equal values: up to 200,000 records wait, most of them with the same header."""
    return part
