"""The backlog of the input topics, from Kafka and the database: its size, its age, and its readers."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
    for_code,
)
from sqlalchemy.ext.asyncio import AsyncEngine

from db.reading_positions import reading_positions
from schemas.topics import Topic
from workers.consuming.subscription import consumer_group
from workers.runtime.kafka import kafka_reading_options
from workers.runtime.roles import Role
from workers.runtime.settings import Settings
from workers.topics.cluster import administration, partitions_of

_READ_MS = 2000
_LOOKED_AT = 1000
_NOT_YET = (GroupLoadInProgressError, GroupCoordinatorNotAvailableError, NotCoordinatorForGroupError)
_COORDINATOR_SECONDS, _AGAIN_SECONDS = 10.0, 0.25


@dataclass(frozen=True, slots=True)
class Reader:
    """A process that reads a topic: its host, and the number of partitions assigned to it."""

    host: str
    partitions: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """The undecided records of a topic: the number of offsets, and the age in seconds of the oldest record.

    `keys` counts a sample, the next records of each partition, by their keys, which are organizations.
    """

    topic: Topic
    records: int
    seconds: float
    readers: Sequence[Reader]
    keys: Mapping[bytes | None, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Look:
    """Read-only clients of Kafka."""

    settings: Settings
    admin: AIOKafkaAdminClient
    consumer: AIOKafkaConsumer

    async def waiting(self, engine: AsyncEngine, topic: Topic) -> Waiting:
        """Return the backlog of an input topic; its role has the same name."""
        name = self.settings.topic(topic)
        partitions = await partitions_of(self.admin, [name])
        async with engine.connect() as connection:
            noted = await reading_positions(connection, name)
        readers = await readers_of(self.admin, consumer_group(self.settings, Role(topic)))
        beginnings = await self.consumer.beginning_offsets(partitions)
        ends = await self.consumer.end_offsets(partitions)
        positions = {one: max(noted.get(one.partition, 0), beginnings[one]) for one in partitions}
        behind = {one: ends[one] - positions[one] for one in partitions if positions[one] < ends[one]}
        if not behind:
            return Waiting(topic, 0, 0.0, readers)
        self.consumer.assign(list(behind))
        try:
            for one in behind:
                self.consumer.seek(one, positions[one])
            first, keys = await self._next_of_each(behind)
            # The markers that end a transaction take up offsets, but are not records.
            ended = {one for one in behind if one not in first and await self.consumer.position(one) >= ends[one]}
        finally:
            self.consumer.unsubscribe()
        oldest = min(first.values(), default=None)
        seconds = 0.0 if oldest is None else max(0.0, time.time() - oldest)
        return Waiting(topic, sum(left for one, left in behind.items() if one not in ended), seconds, readers, keys)

    async def _next_of_each(
        self, behind: Mapping[TopicPartition, int]
    ) -> tuple[dict[TopicPartition, float], Counter[bytes | None]]:
        """Return the Unix time of the next record of each partition, and the keys of the next records."""
        first: dict[TopicPartition, float] = {}
        keys: Counter[bytes | None] = Counter()
        deadline = time.monotonic() + _READ_MS / 1000
        while len(first) < len(behind) and time.monotonic() < deadline:
            read: Mapping[TopicPartition, Sequence[ConsumerRecord]]
            read = await self.consumer.getmany(timeout_ms=_READ_MS // 4)
            for partition, records in read.items():
                first.setdefault(partition, records[0].timestamp / 1000)
                keys.update(record.key for record in records)
                self.consumer.pause(partition)
        return first, keys


async def readers_of(admin: AIOKafkaAdminClient, group: str) -> list[Reader]:
    """Return the members of a consumer group. A new cluster first has to create its offsets topic; wait for that."""
    deadline = time.monotonic() + _COORDINATOR_SECONDS
    while True:
        try:
            described: list[Any] = await admin.describe_consumer_groups([group])
            groups = [found for response in described for found in response.to_object()["groups"]]
            for error in {found["error_code"] for found in groups} & {one.errno for one in _NOT_YET}:
                raise for_code(error)(group)
        except _NOT_YET:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(_AGAIN_SECONDS)
        else:
            members = [member for found in groups for member in found["members"]]
            return [Reader(one["client_host"].lstrip("/"), _assigned(one["member_assignment"])) for one in members]


@asynccontextmanager
async def looking(settings: Settings) -> AsyncIterator[Look]:
    """Yield read-only clients of Kafka. Raises the errors of an unreachable Kafka."""
    async with administration(settings) as admin:
        consumer = AIOKafkaConsumer(**kafka_reading_options(settings), max_poll_records=_LOOKED_AT)
        try:
            await consumer.start()
            # Let the client's tasks start: cancelling one before its first step would also cancel the caller of `stop`.
            await asyncio.sleep(0)
            yield Look(settings, admin, consumer)
        finally:
            await consumer.stop()


def _assigned(assignment: bytes) -> int:
    """Return how many partitions a member of a group has; 0 during a rebalance."""
    return len(ConsumerProtocolMemberAssignment.decode(assignment).partitions()) if assignment else 0
