"""Lanes: several batches of one consumer in progress at the same time, each partition's records in their order.

While one batch is stored, another, of other partitions, is decided; and a partition with a long backlog delays only
the records behind it. Offsets are acknowledged per partition, as far as everything before them is durable.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence

from aiokafka import TopicPartition

from schemas.records import Record
from workers.consuming.strategy import Source, Strategy

_LANES = 4
_MIN_FILL_TO_START_ANOTHER = 0.25
"""How full every lane must be before another starts: small batches finish soon, and what waits grows meanwhile."""
_OF_A_PARTITION, _IN_ALL = 4, 6
"""How many batches may wait. Beyond that the partition is paused (what was prefetched is fetched again), or all are."""
_ACKNOWLEDGE_SECONDS = 0.05

Process = Callable[[list[Record], Mapping[TopicPartition, int]], Awaitable[bool]]
"""Makes a batch durable: all that follows from it, and how far it reads its partitions. Takes the batch, and how far
they were read before it; returns False when that cannot be done and the process is to end."""


class Lanes(Strategy):
    """Processes and acknowledges batches of at most `batch_records`, until one cannot be processed.

    Errors that nobody expects here go to `fail`, which ends the process: nothing hangs unnoticed.
    """

    def __init__(
        self, process: Process, *, source: Source, batch_records: int, fail: Callable[[BaseException], None]
    ) -> None:
        self._process = process
        self._fail = fail
        self._source = source
        self._batch_records = batch_records
        self._waiting: dict[TopicPartition, deque[Record]] = {}
        self._waiting_records = 0
        self._paused: set[TopicPartition] = set()
        self._busy: set[TopicPartition] = set()
        self._lanes: dict[asyncio.Task[None], int] = {}
        self._reached: dict[TopicPartition, int] = {}
        self._durable: dict[TopicPartition, int] = {}
        self._acknowledging: asyncio.Task[None] | None = None
        self._is_ending = False
        self._is_over = False
        self._has_changed = asyncio.Event()
        self.generation = 0

    def admit(self, reached: Mapping[TopicPartition, int]) -> None:
        """Accept records of these partitions from now on; everything before the offset of each is decided."""
        self._reached.update(reached)

    def reached(self, partition: TopicPartition) -> int:
        """Return the offset before which a partition's records are decided or in progress; 0 if it is not admitted."""
        return self._reached.get(partition, 0)

    async def submit(self, records: Sequence[Record], generation: int) -> None:
        """Take records over; return when more are welcome, or when it was ended.

        What was fetched in an earlier `generation` is dropped: the records before it were forgotten, so it would be
        processed, and acknowledged, ahead of them. It will be read again with them.
        """
        if generation != self.generation:
            return
        for record in records:
            partition = TopicPartition(record.topic, record.partition)
            if partition not in self._reached:
                continue  # fetched before the partition was handed over; its new owner reads it again
            if partition not in self._waiting:
                self._waiting[partition] = deque()
            self._waiting[partition].append(record)
            self._waiting_records += 1
        self._fill()
        for partition, waiting in self._waiting.items():
            # Others go on being read.
            if len(waiting) >= _OF_A_PARTITION * self._batch_records and partition not in self._paused:
                self._paused.add(partition)
                self._source.pause(partition)
        while not self._is_over and not (
            self._has_free_lane() and self._waiting_records < _IN_ALL * self._batch_records
        ):
            self._has_changed.clear()
            await self._has_changed.wait()

    def close(self) -> None:
        """Forget what waits, because it will be read again; accept nothing until partitions are admitted again."""
        self.generation += 1
        self._waiting.clear()
        self._waiting_records = 0
        self._reached.clear()
        self._paused.clear()
        self._has_changed.set()

    async def join(self, seconds: float) -> None:
        """Finish and acknowledge what is in progress, for at most `seconds`."""
        if self._lanes:
            await asyncio.wait(self._lanes, timeout=seconds)
        if self._acknowledging is not None:
            await asyncio.wait([self._acknowledging])

    async def end(self, seconds: float) -> None:
        """Close, join, and abandon what is still in progress; start nothing any more."""
        self._is_ending = True
        self.close()
        await self.join(seconds)
        for lane in self._lanes:
            lane.cancel()
        self._is_over = True
        self._has_changed.set()

    def _fill(self) -> None:
        """Start as many batches as there are lanes and records for them."""
        while self._has_free_lane() and (batch := self._next()):
            since = {partition: self._reached[partition] for partition in batch}
            for partition, records in batch.items():
                self._reached[partition] = max(since[partition], records[-1].offset + 1)
            lane = asyncio.create_task(self._run(batch, since))
            self._lanes[lane] = sum(map(len, batch.values()))
            lane.add_done_callback(self._free)

    def _has_free_lane(self) -> bool:
        enough = self._batch_records * _MIN_FILL_TO_START_ANOTHER
        return not self._is_ending and len(self._lanes) < _LANES and all(n >= enough for n in self._lanes.values())

    def _next(self) -> dict[TopicPartition, list[Record]]:
        """Take a batch from partitions that are in no lane, those that have waited longest first."""
        batch: dict[TopicPartition, list[Record]] = {}
        room = self._batch_records
        for partition in [one for one in self._waiting if one not in self._busy]:
            waiting = self._waiting.pop(partition)
            batch[partition] = [waiting.popleft() for _ in range(min(room, len(waiting)))]
            if waiting:
                self._waiting[partition] = waiting
            if partition in self._paused and len(waiting) < self._batch_records:
                self._paused.discard(partition)
                self._source.resume(partition)
            room -= len(batch[partition])
            if room == 0:
                break
        self._waiting_records -= self._batch_records - room
        self._busy |= batch.keys()
        return batch

    async def _run(self, batch: dict[TopicPartition, list[Record]], since: Mapping[TopicPartition, int]) -> None:
        if await self._process([record for records in batch.values() for record in records], since):
            self._durable |= {partition: records[-1].offset + 1 for partition, records in batch.items()}
            self._busy -= batch.keys()
            if self._acknowledging is None:
                self._acknowledging = asyncio.create_task(self._acknowledge_durable())
                self._acknowledging.add_done_callback(self._watch)
        else:
            # Its partitions stay busy: nothing behind it is started, so nothing behind it is acknowledged.
            self._is_ending = True

    def _free(self, lane: asyncio.Task[None]) -> None:
        del self._lanes[lane]
        self._watch(lane)
        self._fill()
        self._has_changed.set()

    def _watch(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._is_ending = True
            self._fail(error)

    async def _acknowledge_durable(self) -> None:
        """Acknowledge until nothing is left to acknowledge: a few times a second, not after each batch."""
        try:
            while self._durable:
                await asyncio.sleep(0 if self._is_ending else _ACKNOWLEDGE_SECONDS)
                offsets, self._durable = self._durable, {}
                await self._source.acknowledge(offsets)
        finally:
            self._acknowledging = None
