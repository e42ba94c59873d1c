"""Lanes: several batches of one consumer in progress at the same time, each organization's records in order.

While one batch is stored, another, of other shards, is decided; and no organization waits behind another's backlog.
Offsets are acknowledged per partition, up to where everything before them is durable (docs/decisions/0030).
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

from aiokafka import TopicPartition

from schemas.records import Record
from workers.batches.progress import Progress
from workers.consuming.strategy import Source, Strategy
from workers.consuming.waiting import Batch, QueueKey, Waiting, partition_of

_LANES = 4
_MIN_FILL_TO_START_ANOTHER = 0.25
"""How full every lane must be before another starts: small batches finish soon, and meanwhile records accumulate."""
_HANGS_SECONDS = 1.0
"""After this time other batches no longer wait for this one: its shard may be locked by another process."""
_AHEAD_RECORDS, _AHEAD_BYTES = 200_000, 32 * 1024 * 1024
"""How much may wait in all, and how many records of a partition may be read beyond the acknowledged offset. Pausing a
partition discards what was prefetched of it; that is fetched again."""
_WAITING_BATCHES_OF_A_PARTITION = 4
"""How many batches' worth of records any partition may have waiting, however large the backlogs of other partitions,
unless they exceed its share of memory."""
_READ_ON_BELOW = 0.75
_ACKNOWLEDGE_SECONDS = 0.05

Process = Callable[[list[Record], Mapping[TopicPartition, Progress]], Awaitable[bool]]
"""Makes a batch durable, with everything that follows from it and the new reading positions. Takes the records and the
progress of their partitions; returns False when it fails and the process must stop."""


class Lanes(Strategy):
    """Processes and acknowledges batches of at most `batch_records`, until one cannot be processed.

    `boundary_of` returns the organization of a record. Unexpected errors go to `fail`, which ends the process, so that
    no failed lane goes unnoticed.
    """

    def __init__(
        self,
        process: Process,
        *,
        source: Source,
        batch_records: int,
        boundary_of: Callable[[Record], str],
        shard_of: Callable[[str], int],
        fail: Callable[[BaseException], None],
        most_ahead: int = _AHEAD_RECORDS,
        hangs_seconds: float = _HANGS_SECONDS,
    ) -> None:
        self._process = process
        self._fail = fail
        self._source = source
        self._batch_records = batch_records
        self._boundary_of = boundary_of
        self._most_ahead = most_ahead
        self._hangs_seconds = hangs_seconds
        self._waiting = Waiting(batch_records, shard_of)
        self._paused: set[TopicPartition] = set()
        self._busy: set[int] = set()
        self._lanes: dict[asyncio.Task[None], Batch] = {}
        self._hang_timers: dict[asyncio.Task[None], asyncio.TimerHandle] = {}
        self._progress: dict[TopicPartition, Progress] = {}
        self._durable: dict[TopicPartition, int] = {}
        self._acknowledging: asyncio.Task[None] | None = None
        self._is_ending = False
        self.generation = 0

    def admit(self, reached: Mapping[TopicPartition, int]) -> None:
        """Accept records of these partitions from now on; everything before the offset of each is decided."""
        self._progress |= {partition: Progress(partition, offset) for partition, offset in reached.items()}

    def reached(self, partition: TopicPartition) -> int:
        """Return the offset before which a partition's records are decided; 0 if it is not admitted."""
        progress = self._progress.get(partition)
        return 0 if progress is None else progress.reached

    def first_undecided(self, partition: TopicPartition) -> tuple[int, datetime] | None:
        """Return the offset and timestamp of a partition's first record that was submitted and is not decided."""
        progress = self._progress.get(partition)
        return None if progress is None else progress.first

    @property
    def waiting(self) -> Waiting:
        """The records that no batch has taken yet."""
        return self._waiting

    async def submit(self, records: Sequence[Record], generation: int) -> None:
        """Queue records, and pause partitions whose backlog is too large.

        Records fetched in an earlier `generation` are dropped: those before them were forgotten, so these would be
        processed, and acknowledged, ahead of them. All of them will be read again.
        """
        if generation != self.generation:
            return
        fetched: defaultdict[QueueKey, list[Record]] = defaultdict(list)
        for record in records:
            partition = partition_of(record)
            # Records fetched before their partition was handed over are read again by its new owner.
            if (progress := self._progress.get(partition)) is not None:
                progress.read(record.offset, record.timestamp)
                fetched[partition, self._boundary_of(record)].append(record)
        for place, queued in fetched.items():
            self._waiting.put(place, queued)
        self._fill()
        for partition in self._progress.keys() - self._paused:
            if self._is_far_ahead(partition):  # the others continue to be read
                self._paused.add(partition)
                self._source.pause(partition)
        await asyncio.sleep(0)  # more records may have arrived: let them be fetched

    def close(self) -> None:
        """Forget waiting records, which will be read again; accept nothing until partitions are admitted again."""
        self.generation += 1
        self._waiting.clear()
        self._progress.clear()
        self._paused.clear()

    async def join(self, seconds: float) -> None:
        """Wait at most `seconds` for batches in progress to finish and be acknowledged."""
        if self._lanes:
            await asyncio.wait(self._lanes, timeout=seconds)
        if self._acknowledging is not None:
            await asyncio.wait([self._acknowledging])

    async def end(self, seconds: float) -> None:
        """Close, join, and cancel batches still in progress; no new ones are started."""
        self._is_ending = True
        self.close()
        await self.join(seconds)
        for lane in self._lanes:
            lane.cancel()

    def _fill(self) -> None:
        """Start as many batches as there are lanes and records for them."""
        while self._has_free_lane() and (batch := self._waiting.take(self._busy)) is not None:
            self._busy |= batch.shards
            progress = {partition: self._progress[partition] for partition in batch.partitions}
            lane = asyncio.create_task(self._run(batch, progress))
            self._lanes[lane] = batch
            self._hang_timers[lane] = asyncio.get_running_loop().call_later(self._hangs_seconds, self._hang, lane)
            lane.add_done_callback(self._free)
        for partition in [one for one in self._paused if not self._is_far_ahead(one, _READ_ON_BELOW)]:
            self._paused.discard(partition)
            self._source.resume(partition)

    def _has_free_lane(self) -> bool:
        if self._is_ending or len(self._lanes) == _LANES:
            return False
        batches = [self._lanes[lane] for lane in self._hang_timers]
        # Others need not wait behind a cut batch; otherwise new records accumulate, up to a whole batch.
        is_worth_it = self._waiting.records >= self._batch_records or any(batch.is_cut for batch in batches)
        enough = self._batch_records * _MIN_FILL_TO_START_ANOTHER
        return not batches or (is_worth_it and all(len(batch.records) >= enough for batch in batches))

    def _is_far_ahead(self, partition: TopicPartition, part: float = 1.0) -> bool:
        """Return whether a partition is beyond `part` of the read-ahead limits, and so must pause or stay paused."""
        if self._progress[partition].ahead >= part * self._most_ahead:
            return True
        waiting = self._waiting
        if waiting.records < part * self._most_ahead and waiting.bytes < part * _AHEAD_BYTES:
            return False
        # A small backlog never pauses its partition; of the large ones at least one exceeds its share.
        return waiting.of_partition[
            partition
        ] >= part * _WAITING_BATCHES_OF_A_PARTITION * self._batch_records or waiting.bytes_of_partition[
            partition
        ] >= part * _AHEAD_BYTES / len(self._progress)

    async def _run(self, batch: Batch, progress: Mapping[TopicPartition, Progress]) -> None:
        before = {partition: one.position for partition, one in progress.items()}
        if await self._process(batch.records, progress):
            for partition, one in progress.items():
                if one.position is not None and one.position != before[partition]:
                    self._durable[partition] = one.position
            self._busy -= batch.shards
            if self._durable and self._acknowledging is None:
                self._acknowledging = asyncio.create_task(self._acknowledge_durable())
                self._acknowledging.add_done_callback(self._watch)
        else:
            # Its shards stay busy: none of their later records are started, so none are acknowledged.
            self._is_ending = True

    def _hang(self, lane: asyncio.Task[None]) -> None:
        del self._hang_timers[lane]
        self._fill()

    def _free(self, lane: asyncio.Task[None]) -> None:
        del self._lanes[lane]
        if (timer := self._hang_timers.pop(lane, None)) is not None:
            timer.cancel()
        self._watch(lane)
        self._fill()

    def _watch(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._is_ending = True
            self._fail(error)

    async def _acknowledge_durable(self) -> None:
        """Acknowledge durable offsets until none are left, a few times a second rather than after each batch."""
        try:
            while self._durable:
                await asyncio.sleep(0 if self._is_ending else _ACKNOWLEDGE_SECONDS)
                offsets, self._durable = self._durable, {}
                await self._source.acknowledge(offsets)
        finally:
            self._acknowledging = None
