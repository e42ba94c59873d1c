"""Where a consumer starts reading: at the database's own position of each partition (docs/decisions/0013).

aiokafka starts fetching as soon as partitions are assigned. So they are paused at that very moment, until their
reading positions are known.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from sqlalchemy.ext.asyncio import AsyncEngine

from db.errors import brief, is_transient
from db.reading_positions import read_at_least, reading_positions
from workers.consuming.lag import Lag
from workers.consuming.open_transactions import OpenTransactions
from workers.consuming.strategy import Strategy
from workers.runtime.metrics import Metrics
from workers.runtime.roles import Role

_RETRY_SECONDS = 0.5
_LOOK_SECONDS = 1.0

logger = structlog.get_logger()


class TopicWentBack(Exception):
    """A topic ends before the position up to which it was read, so it is a different topic."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The offsets that a partition holds (from `beginning` to before `end`), and how far it was read.

    `noted` is the database's next offset, None if it has none for the partition; `acknowledged` is the group's.
    """

    beginning: int
    end: int
    noted: int | None
    acknowledged: int | None


@dataclass(frozen=True, slots=True)
class Start:
    """Where to read a partition from. Everything before `reached` is decided, except `lost` deleted offsets."""

    offset: int
    reached: int
    lost: int


def start_of(partition: TopicPartition, bounds: Bounds) -> Start:
    """Return where to read from: never beyond the database's position, whatever the group's offset.

    Raises TopicWentBack.
    """
    if bounds.noted is None:
        return Start(bounds.beginning, bounds.beginning, 0)
    if bounds.noted > bounds.end:
        raise _went_back(partition, bounds.noted, bounds.end)
    reached = max(bounds.noted, bounds.beginning)
    # Group offsets expire, and vanish with a deleted topic; reading records again changes nothing.
    offset = bounds.beginning if bounds.acknowledged is None else min(bounds.acknowledged, reached)
    return Start(max(offset, bounds.beginning), reached, reached - bounds.noted)


class Reading:
    """Starts a consumer at the database's positions, and checks that the records it reads next still exist."""

    def __init__(
        self,
        *,
        role: Role,
        topic: str,
        engine: AsyncEngine,
        metrics: Metrics,
        open_transactions: OpenTransactions,
        stopping: asyncio.Event,
        strategy: Strategy,
        acknowledge: Callable[[Mapping[TopicPartition, int]], Awaitable[None]],
        fail: Callable[[BaseException], None],
    ) -> None:
        self._engine = engine
        self._metrics = metrics
        self._open_transactions = open_transactions
        self._stopping = stopping
        self._role = role
        self._topic = topic
        self._strategy = strategy
        self._acknowledge = acknowledge
        self._fail = fail
        self._lag = Lag(metrics)
        self._task: asyncio.Task[None] | None = None

    def begin(self, consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition]) -> None:
        """Pause partitions that were just assigned, and resume them once it is known where to read them from."""
        self.end()
        if not partitions:
            return
        consumer.pause(*partitions)
        for partition in partitions:
            # Once a position is set, whichever it is, aiokafka does not fetch the group's offset.
            consumer.seek(partition, 0)
        self._task = asyncio.create_task(self._read(consumer, sorted(partitions)))

    def end(self) -> None:
        """Stop watching the assigned partitions and reporting their lag."""
        self._lag.forget()
        if self._task is not None:
            self._task.cancel()

    async def _read(self, consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> None:
        try:
            await self._until_done(lambda: self._admit(consumer, partitions))
            stood: dict[TopicPartition, int] = {}
            while not self._stopping.is_set():
                await self._wait(_LOOK_SECONDS)
                await self._until_done(lambda: self._look(consumer, partitions, stood))
        except Exception as error:
            if not self._stopping.is_set():
                logger.exception("consumer_failed", role=self._role)
                self._fail(error)

    async def _until_done(self, work: Callable[[], Awaitable[None]]) -> None:
        while not self._stopping.is_set():
            try:
                await work()
            except Exception as error:
                if not (is_transient(error) or isinstance(error, KafkaError | IllegalStateError)):
                    raise
                logger.warning("reading_retried", role=self._role, error=brief(error))
            else:
                return
            await self._wait(_RETRY_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 (jitter is no secret)

    async def _admit(self, consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> None:
        bounds = await self._bounds(consumer, partitions)
        starts = {partition: start_of(partition, bounds[partition]) for partition in partitions}
        for partition, start in starts.items():
            self._tell(partition, bounds[partition], start)
        reached = {partition.partition: start.reached for partition, start in starts.items()}
        async with self._engine.begin() as connection:
            await read_at_least(connection, self._topic, reached)
        # No await until `resume`: no record may be read before its partition is admitted.
        self._strategy.admit({partition: start.reached for partition, start in starts.items()})
        for partition, start in starts.items():
            consumer.seek(partition, start.offset)
        consumer.resume(*partitions)
        await self._acknowledge(
            {one: start.offset for one, start in starts.items() if bounds[one].acknowledged != start.offset}
        )

    async def _bounds(
        self, consumer: AIOKafkaConsumer, partitions: list[TopicPartition]
    ) -> dict[TopicPartition, Bounds]:
        # In this order, a batch that another worker commits meanwhile cannot make the group look ahead of the database,
        # or the database ahead of the topic.
        acknowledged = await asyncio.gather(*map(consumer.committed, partitions))
        async with self._engine.connect() as connection:
            noted = await reading_positions(connection, self._topic)
        beginnings = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
        return {
            partition: Bounds(beginnings[partition], ends[partition], noted.get(partition.partition), offset)
            for partition, offset in zip(partitions, acknowledged, strict=True)
        }

    async def _look(
        self, consumer: AIOKafkaConsumer, partitions: list[TopicPartition], stood: dict[TopicPartition, int]
    ) -> None:
        """Check that the next record of each partition still exists; Kafka itself would silently continue elsewhere.

        `stood` holds the positions of the last check: records that were already fetched may still be submitted.
        """
        positions = {partition: await consumer.position(partition) for partition in partitions}
        beginnings = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
        for partition, position in positions.items():
            if position > ends[partition]:
                raise _went_back(partition, position, ends[partition])
            beginning = beginnings[partition]
            if position < beginning and position == stood.get(partition):
                read = max(position, self._strategy.reached(partition))
                self._tell_lost(partition, beginning, beginning - read)
                consumer.seek(partition, beginning)
        stood.update(positions)
        now = time.time()
        self._open_transactions.look(consumer, partitions, now)
        for partition, position in positions.items():
            end = max(ends[partition], consumer.highwater(partition) or 0)
            self._lag.note(partition, self._strategy.first_undecided(partition), position, end, now)
            self._metrics.held_up(partition, self._open_transactions.held_since(partition))

    def _tell(self, partition: TopicPartition, bounds: Bounds, start: Start) -> None:
        self._tell_lost(partition, start.reached, start.lost)
        if not _is_ahead(bounds, start):
            return
        logger.warning(
            "group_ahead_of_database",
            role=self._role,
            partition=f"{partition.topic}/{partition.partition}",
            acknowledged=bounds.acknowledged,
            read_from=start.offset,
            why="the group's offsets were moved, or the database was restored to an earlier state or is another one",
        )

    def _tell_lost(self, partition: TopicPartition, beginning: int, lost: int) -> None:
        if lost <= 0:
            return
        self._metrics.lost(self._role, lost)
        logger.error(
            "records_lost",
            role=self._role,
            partition=f"{partition.topic}/{partition.partition}",
            first=beginning - lost,
            last=beginning - 1,
            records=lost,
            why="they were deleted from the topic before they were read",
        )

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass


def _is_ahead(bounds: Bounds, start: Start) -> bool:
    return bounds.acknowledged is not None and bounds.acknowledged > start.reached


def _went_back(partition: TopicPartition, read: int, end: int) -> TopicWentBack:
    return TopicWentBack(
        f"{partition.topic}/{partition.partition} ends at offset {end}, but was read up to {read}. If the topic was "
        "re-created or belongs to another cluster, and is the right one: whopays topics adopt. If it is the same topic "
        f"and has lost records: whopays topics reread {partition.topic}"
    )
