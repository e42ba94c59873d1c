"""What the three consumers share: how they subscribe, and when they acknowledge."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from faststream import AckPolicy, Context
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.message import KafkaAckableMessage
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.records import Record
from schemas.topics import Topic
from workers.batches.transaction import Batches, Reader, Stopping
from workers.consuming.lanes import Lanes
from workers.consuming.start_positions import Reading
from workers.runtime.liveness import Liveness
from workers.runtime.metrics import Metrics
from workers.runtime.roles import Role
from workers.runtime.settings import Settings

# A record's timestamp is its producer's word: none (-1), or beyond what a date can hold.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PARTITION_FETCH_BYTES = 128 * 1024
_HAND_OVER_SECONDS = 2.0
_GENERATION = "generation"
_LATEST_MS = 253_402_300_799_999

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Consumption:
    """What a consumer works with. `fail` ends the process with an error."""

    settings: Settings
    engine: AsyncEngine
    metrics: Metrics
    stopping: asyncio.Event
    batches: Batches
    fail: Callable[[BaseException], None]


def consumer_group(settings: Settings, role: Role) -> str:
    """Return the consumer group of a role."""
    return f"whopays-{settings.installation}-{role}"


def consume(
    broker: KafkaBroker, consumption: Consumption, role: Role, topic: Topic, reader: Reader
) -> tuple[Lanes, Liveness]:
    """Subscribe to a topic; a record is acknowledged once all that follows from it is committed, and never before.

    The lanes that are given must be ended before the broker is stopped.
    """
    settings = consumption.settings

    async def parse(records: tuple[ConsumerRecord, ...]) -> KafkaMessage:
        # The default parser decodes headers and fails on a null or foreign one, which would lose the batch.
        # It is called as soon as records are fetched. The handler is called later, when they may have been let go.
        fetched_in = {_GENERATION: lanes.generation}
        return KafkaAckableMessage(body=b"", raw_message=records, consumer=subscriber.consumer, path=fetched_in)

    async def decode(_: KafkaMessage) -> None:
        return None

    async def process(records: list[Record], since: Mapping[TopicPartition, int]) -> bool:
        try:
            await consumption.batches.process(role, records, reader, since)
        except Stopping:
            return False
        except Exception as error:
            logger.exception("consumer_failed", role=role)
            consumption.fail(error)
            return False
        return True

    liveness = Liveness(consumption.fail)
    source = _Source(lambda: subscriber.consumer, role)
    lanes = Lanes(process, source, settings.batch_max_records, consumption.fail)
    reading = Reading(
        consumption.engine,
        consumption.metrics,
        consumption.stopping,
        role,
        settings.topic(topic),
        lanes,
        source.acknowledge,
        consumption.fail,
    )
    subscriber = broker.subscriber(
        settings.topic(topic),
        batch=True,
        max_records=settings.batch_max_records,
        # A little of each partition, so that a backlog fills all lanes.
        max_partition_fetch_bytes=_PARTITION_FETCH_BYTES,
        batch_timeout_ms=10,
        group_id=consumer_group(settings, role),
        # Where to read is decided in reading.py; what is no longer there is not passed over.
        auto_offset_reset="none",
        ack_policy=AckPolicy.MANUAL,
        isolation_level="read_committed",
        no_reply=True,
        parser=parse,
        decoder=decode,
        listener=_Rebalancing(lanes, reading, lambda: subscriber.consumer),
        max_poll_interval_ms=15 * 60 * 1000,
    )

    @subscriber
    async def handle(message: Annotated[Any, Context("message")]) -> None:
        with liveness.handing_over():
            await lanes.take([_record(raw) for raw in message.raw_message], message.path[_GENERATION])

    def has_topic() -> bool:
        consumer = subscriber.consumer
        return consumer is not None and bool(consumer.partitions_for_topic(settings.topic(topic)))

    # There is no other place where a loop that stands still, or goes round in errors, could be seen.
    subscriber.get_msg = liveness.watched(subscriber.get_msg, has_topic)  # type: ignore[method-assign]
    return lanes, liveness


class _Source:
    """The partitions that the consumer is given; what concerns others is left to those who have them now."""

    def __init__(self, consumer: Callable[[], AIOKafkaConsumer | None], role: Role) -> None:
        self._consumer = consumer
        self._role = role

    async def acknowledge(self, offsets: Mapping[TopicPartition, int]) -> None:
        consumer = self._consumer()
        if consumer is None:
            return
        assigned = consumer.assignment()
        try:
            if mine := {partition: offset for partition, offset in offsets.items() if partition in assigned}:
                await consumer.commit(mine)
        except KafkaError as error:
            # The group was rebalanced or the broker is away. The records will be read again, and change nothing.
            logger.warning("offsets_not_committed", role=self._role, error=type(error).__name__)

    def pause(self, partition: TopicPartition) -> None:
        consumer = self._consumer()
        if consumer is not None and partition in consumer.assignment():
            consumer.pause(partition)

    def resume(self, partition: TopicPartition) -> None:
        consumer = self._consumer()
        if consumer is not None and partition in consumer.assignment():
            consumer.resume(partition)


class _Rebalancing(ConsumerRebalanceListener):  # type: ignore[misc]
    """Hands over partitions with as little as possible that is read again."""

    def __init__(self, lanes: Lanes, reading: Reading, consumer: Callable[[], AIOKafkaConsumer | None]) -> None:
        self._lanes = lanes
        self._reading = reading
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        self._reading.end()
        if revoked:
            await self._lanes.let_go(_HAND_OVER_SECONDS)

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        if (consumer := self._consumer()) is not None:
            self._reading.begin(consumer, assigned)


def _record(raw: ConsumerRecord) -> Record:
    return Record(
        topic=raw.topic,
        partition=raw.partition,
        offset=raw.offset,
        timestamp=_EPOCH + timedelta(milliseconds=min(max(raw.timestamp, 0), _LATEST_MS)),
        key=raw.key,
        headers=tuple(raw.headers),
        value=raw.value,
    )
