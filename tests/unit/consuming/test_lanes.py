"""Lanes by themselves: what is begun when, and what is acknowledged. What settles is at the test's command."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from aiokafka import TopicPartition

from schemas.records import Record
from tests.support.waiting import until
from workers.batches.progress import Progress
from workers.consuming.lanes import Lanes

_BATCH = 8
_BEGAN = datetime(2026, 7, 1, tzinfo=UTC)


def _records(partition: int, first: int, count: int, of: str = "a") -> list[Record]:
    """Return records of somebody, whose shard is known by the first letter."""
    key = of.encode()
    return [Record("topic", partition, offset, _BEGAN, key, (), b"{}") for offset in range(first, first + count)]


@dataclass
class Scene:
    """A source that notes what it is told, and batches that are settled when the test says so."""

    acknowledged: dict[int, int] = field(default_factory=dict)
    paused: set[int] = field(default_factory=set)
    begun: list[list[Record]] = field(default_factory=list)
    settled: list[asyncio.Future[bool]] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    unacknowledgeable: Exception | None = None
    hangs_seconds: float = 3600
    lanes: Lanes = field(init=False)

    def __post_init__(self) -> None:
        self.lanes = Lanes(
            self.process,
            source=self,
            batch_records=_BATCH,
            boundary_of=lambda record: (record.key or b"").decode(),
            shard_of=lambda boundary: ord(boundary[0]),
            fail=self.failures.append,
            most_ahead=5 * _BATCH,
            hangs_seconds=self.hangs_seconds,
        )
        self.admit({0: 0, 1: 0, 2: 0})

    def admit(self, reached: Mapping[int, int]) -> None:
        self.lanes.admit({TopicPartition("topic", partition): offset for partition, offset in reached.items()})

    async def process(self, records: list[Record], progress: Mapping[TopicPartition, Progress]) -> bool:
        batch = [*records]
        self.begun.append(batch)
        self.settled.append(asyncio.get_running_loop().create_future())
        if not await self.settled[-1]:
            return False
        for partition, one in progress.items():
            decided = [record.offset for record in batch if record.partition == partition.partition]
            one.settle(decided, one.span(decided))
        return True

    async def acknowledge(self, offsets: Mapping[TopicPartition, int]) -> None:
        if self.unacknowledgeable is not None:
            raise self.unacknowledgeable
        self.acknowledged |= {partition.partition: offset for partition, offset in offsets.items()}

    def pause(self, partition: TopicPartition) -> None:
        self.paused.add(partition.partition)

    def resume(self, partition: TopicPartition) -> None:
        self.paused.discard(partition.partition)

    async def close_and_join(self, seconds: float) -> None:
        self.lanes.close()
        await self.lanes.join(seconds)

    def submitting(self, *records: Record) -> "asyncio.Task[None]":
        return asyncio.create_task(self.lanes.submit(records, self.lanes.generation))

    async def has_begun(self, batches: int) -> None:
        """Wait for so many batches, and make sure that there are no more."""

        async def enough() -> bool:
            return len(self.begun) >= batches

        await until(enough, f"{batches} batches")
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(self.begun) == batches

    async def has_acknowledged(self, offsets: dict[int, int]) -> None:
        async def same() -> bool:
            return self.acknowledged == offsets

        await until(same, f"{offsets}, not {self.acknowledged}")

    async def settles_all(self, records: int, *, held: int | None = None) -> None:
        """Settle what begins, but for one batch, until there were so many records in all."""
        while True:
            for batch, settled in enumerate(self.settled):
                if batch != held and not settled.done():
                    settled.set_result(True)
            if sum(map(len, self.begun)) >= records:
                return
            await self.has_begun(len(self.begun) + 1)

    def offsets(self, batch: int) -> list[tuple[int, int]]:
        return [(record.partition, record.offset) for record in self.begun[batch]]


async def test_an_organization_is_in_one_lane_and_in_order() -> None:
    scene = Scene()
    scene.submitting(*_records(0, 0, 20))
    await scene.has_begun(1)
    assert scene.offsets(0) == [(0, offset) for offset in range(8)]
    scene.settled[0].set_result(True)
    await scene.has_begun(2)
    assert scene.offsets(1) == [(0, offset) for offset in range(8, 16)]
    await scene.has_acknowledged({0: 8})
    await scene.lanes.end(0)


async def test_who_waits_behind_a_backlog_of_another_is_decided_beside_it() -> None:
    scene = Scene()
    scene.submitting(*_records(0, 0, 20), *_records(0, 20, 2, "b"), *_records(0, 22, 1))
    await scene.has_begun(2)
    assert scene.offsets(1) == [(0, 20), (0, 21)]
    # It is durable first, but everything before it is not: that much is acknowledged when the others are.
    scene.settled[1].set_result(True)
    scene.settled[0].set_result(True)
    await scene.has_begun(3)
    await scene.has_acknowledged({0: 8})
    await scene.settles_all(23)
    assert scene.offsets(2) == [(0, 8), (0, 9)]
    await scene.has_acknowledged({0: 23})
    await scene.lanes.end(0)


async def test_a_shard_is_in_one_lane() -> None:
    scene = Scene()
    scene.submitting(*_records(0, 0, 9), *_records(0, 9, 1, "a of the same shard"))
    await scene.has_begun(1)
    assert sorted(scene.offsets(0)) == [*((0, offset) for offset in range(7)), (0, 9)]
    scene.settled[0].set_result(True)
    await scene.has_begun(2)
    assert scene.offsets(1) == [(0, 7), (0, 8)]
    await scene.lanes.end(0)


async def test_what_a_full_lane_leaves_room_for_begins_beside_it() -> None:
    scene = Scene()
    taken = scene.submitting(*_records(0, 0, 8))
    await scene.has_begun(1)
    await asyncio.wait_for(taken, 10)
    scene.submitting(*_records(1, 0, 1, "b"), *_records(0, 8, 5), *_records(2, 0, 1, "c"))
    await scene.has_begun(1)  # less than a batch waits: it gathers
    scene.submitting(*_records(0, 13, 1))
    await scene.has_begun(2)
    assert scene.offsets(1) == [(1, 0), (2, 0)]
    # The later one is durable first, and acknowledged without the earlier one.
    scene.settled[1].set_result(True)
    await scene.has_acknowledged({1: 1, 2: 1})
    await scene.lanes.end(0)


async def test_nobody_waits_behind_who_has_a_little_more_than_fits_in() -> None:
    scene = Scene()
    scene.submitting(*_records(0, 0, _BATCH + 3), *_records(0, _BATCH + 3, 1, "b"))
    await scene.has_begun(2)
    assert scene.offsets(1) == [(0, _BATCH + 3)]
    await scene.lanes.end(0)


async def test_nothing_begins_beside_a_small_lane() -> None:
    scene = Scene()
    taken = scene.submitting(*_records(0, 0, 1))
    await scene.has_begun(1)
    await asyncio.wait_for(taken, 10)
    scene.submitting(*_records(1, 0, 1, "b"), *_records(2, 5, 1, "c"))
    await scene.has_begun(1)
    scene.settled[0].set_result(True)
    await scene.has_begun(2)
    assert scene.offsets(1) == [(1, 0), (2, 5)]
    await scene.lanes.end(0)


async def test_others_begin_beside_a_small_lane_that_hangs() -> None:
    scene = Scene(hangs_seconds=0)
    scene.submitting(*_records(0, 0, 1))
    # Handed over before the first one hangs, and nothing comes after it.
    scene.submitting(*_records(0, 1, 1), *_records(1, 0, 1, "b"))
    await scene.has_begun(2)
    assert scene.offsets(1) == [(1, 0)]
    scene.settled[1].set_result(True)
    await scene.has_acknowledged({1: 1})
    scene.settled[0].set_result(True)
    await scene.has_begun(3)
    assert scene.offsets(2) == [(0, 1)]
    await scene.lanes.end(0)


async def test_a_lane_that_hangs_is_one_of_four() -> None:
    scene = Scene(hangs_seconds=0)
    for number in range(5):
        scene.submitting(*_records(0, number, 1, "abcde"[number]))
        await scene.has_begun(min(number + 1, 4))
    scene.settled[2].set_result(True)
    await scene.has_begun(5)
    await scene.lanes.end(0)


async def test_a_long_partition_is_paused_and_others_are_not() -> None:
    scene = Scene()
    await asyncio.wait_for(scene.submitting(*_records(0, 0, 4 * _BATCH)), 10)
    assert scene.paused == set()
    await asyncio.wait_for(scene.submitting(*_records(0, 4 * _BATCH, 2 * _BATCH)), 10)
    assert scene.paused == {0}
    scene.submitting(*_records(1, 0, 3, "b"))
    await scene.has_begun(2)
    assert scene.offsets(1) == [(1, offset) for offset in range(3)]
    await scene.settles_all(3 + 2 * _BATCH)
    assert scene.paused == {0}
    await scene.settles_all(3 + 3 * _BATCH)
    assert scene.paused == set()
    await scene.lanes.end(0)


async def test_a_partition_is_not_read_on_for_ever_while_its_first_record_is_undecided() -> None:
    scene = Scene()
    scene.submitting(*_records(0, 0, _BATCH))
    await scene.has_begun(1)
    scene.submitting(*_records(0, _BATCH, 3 * _BATCH, "b"))
    await scene.settles_all(3 * _BATCH, held=0)
    assert scene.paused == set()
    scene.submitting(*_records(0, 4 * _BATCH, 3 * _BATCH, "b"))
    await scene.settles_all(6 * _BATCH, held=0)
    assert scene.paused == {0}
    await scene.settles_all(7 * _BATCH)
    await scene.has_acknowledged({0: 7 * _BATCH})
    assert scene.paused == set()
    await scene.lanes.end(0)


async def test_what_cannot_be_settled_ends_all() -> None:
    scene = Scene()
    scene.submitting(*_records(0, 0, 20), *_records(1, 0, 20, "b"))
    await scene.has_begun(2)
    scene.settled[0].set_result(False)
    scene.settled[1].set_result(True)
    await scene.has_acknowledged({1: 8})
    await scene.has_begun(2)
    taken = scene.submitting(*_records(0, 20, 1))
    await asyncio.wait_for(taken, 10)
    await scene.has_begun(2)
    await scene.lanes.end(10)
    assert scene.acknowledged == {1: 8}


async def test_joining_finishes_what_is_in_progress_and_forgets_what_waits() -> None:
    scene = Scene()
    scene.submitting(*_records(0, 0, 20))
    await scene.has_begun(1)
    closing = asyncio.create_task(scene.close_and_join(10))
    await asyncio.sleep(0)
    scene.settled[0].set_result(True)
    await asyncio.wait_for(closing, 10)
    assert scene.acknowledged == {0: 8}
    # After a rebalance the partition is read again from there, but not before it is known from where.
    await scene.lanes.submit(_records(0, 16, 4), scene.lanes.generation)
    scene.admit({0: 8})
    scene.submitting(*_records(0, 8, 2))
    await scene.has_begun(2)
    assert scene.offsets(1) == [(0, 8), (0, 9)]
    await scene.lanes.end(0)


async def test_what_was_fetched_before_a_rebalance_is_dropped_after_it() -> None:
    scene = Scene()
    scene.submitting(*_records(0, 0, 8), *_records(0, 8, 8))
    await scene.has_begun(1)
    fetched_in = scene.lanes.generation
    scene.settled[0].set_result(True)
    await scene.close_and_join(0)
    scene.admit({0: 8})
    # The records before these were forgotten, too, and are read again only by the next fetch.
    await asyncio.wait_for(scene.lanes.submit(_records(0, 16, 8), fetched_in), 10)
    scene.submitting(*_records(0, 8, 4))
    await scene.has_begun(2)
    assert scene.offsets(1) == [(0, offset) for offset in range(8, 12)]
    await scene.lanes.end(0)


async def test_an_end_does_not_wait_for_ever() -> None:
    scene = Scene()
    scene.submitting(*_records(0, 0, 20))
    await scene.has_begun(1)
    await asyncio.wait_for(scene.lanes.end(0.01), 10)
    assert scene.acknowledged == {}


async def test_what_is_read_again_does_not_go_back() -> None:
    scene = Scene()
    scene.admit({0: 30})
    scene.submitting(*_records(0, 10, 2))
    await scene.has_begun(1)
    assert scene.lanes.reached(TopicPartition("topic", 0)) == 30
    await scene.lanes.end(0)


async def test_what_nobody_expected_ends_the_process_instead_of_standing_still() -> None:
    scene = Scene()
    scene.submitting(*_records(0, 0, 2))
    await scene.has_begun(1)
    scene.settled[0].set_exception(ZeroDivisionError())
    await _failed(scene, 1)
    scene = Scene(unacknowledgeable=ZeroDivisionError())
    scene.submitting(*_records(0, 0, 2))
    await scene.has_begun(1)
    scene.settled[0].set_result(True)
    await _failed(scene, 1)
    await scene.close_and_join(1)


async def _failed(scene: Scene, failures: int) -> None:
    async def look() -> bool:
        return len(scene.failures) == failures

    await until(look, "a failure")
