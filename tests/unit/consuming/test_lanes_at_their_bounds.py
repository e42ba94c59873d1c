"""Lanes at their bounds: how many batches there are, how far is read ahead, and what is left once they are ended."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from aiokafka import TopicPartition

from tests.support.waiting import until
from tests.unit.consuming.test_lanes import _BATCH, _BEGAN, Scene, _failed, _records
from workers.consuming import lanes as module

_HERE = TopicPartition("topic", 0)


async def _taken(scene: Scene, partition: int, first: int, count: int, of: str = "a") -> None:
    await asyncio.wait_for(scene.submitting(*_records(partition, first, count, of)), 10)


async def _decided(scene: Scene, offsets: Mapping[int, int]) -> None:
    """Settle whatever begins until everything before an offset of each partition is acknowledged."""

    async def is_acknowledged() -> bool:
        for settled in scene.settled:
            if not settled.done():
                settled.set_result(True)
        return scene.acknowledged == offsets

    await until(is_acknowledged, f"{offsets}, not {scene.acknowledged}")


async def test_four_batches_are_in_progress_at_a_time() -> None:
    scene = Scene()
    for number, of in enumerate("abcdef"):
        await _taken(scene, 0, number * _BATCH, _BATCH, of)
    await scene.has_begun(4)
    scene.settled[2].set_result(True)
    await scene.has_begun(5)
    await scene.lanes.end(0)


async def test_beside_who_has_more_a_lane_begins_unless_another_is_small() -> None:
    scene = Scene()
    scene.submitting(*_records(0, 0, _BATCH + 3), *_records(0, _BATCH + 3, 2, "b"))
    await scene.has_begun(2)
    await _taken(scene, 1, 0, 1, "c")
    await scene.has_begun(3)
    await _taken(scene, 2, 0, 1, "d")
    await scene.has_begun(3)
    await scene.lanes.end(0)


async def _beside_a_small_lane() -> Scene:
    """Return lanes in which nothing more begins."""
    scene = Scene()
    await _taken(scene, 2, 0, 1, "z")
    await scene.has_begun(1)
    return scene


async def test_who_has_much_is_paused_once_too_much_waits_in_all() -> None:
    scene = await _beside_a_small_lane()
    await _taken(scene, 0, 0, 4 * _BATCH)
    await _taken(scene, 1, 0, _BATCH - 1, "b")
    assert scene.paused == set()
    await _taken(scene, 1, _BATCH - 1, 1, "b")
    assert scene.paused == {0}
    await _taken(scene, 1, _BATCH, 3 * _BATCH - 1, "b")
    assert scene.paused == {0}
    await _taken(scene, 1, 4 * _BATCH - 1, 1, "b")
    assert scene.paused == {0, 1}
    await scene.lanes.end(0)


async def test_who_has_much_is_paused_once_what_waits_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = await _beside_a_small_lane()
    await _taken(scene, 0, 0, 4 * _BATCH)
    monkeypatch.setattr(module, "_AHEAD_BYTES", scene.lanes.waiting.bytes)
    await scene.lanes.end(0)
    scene = await _beside_a_small_lane()
    await _taken(scene, 0, 0, 4 * _BATCH - 1)
    assert scene.paused == set()
    await _taken(scene, 0, 4 * _BATCH - 1, 1)
    assert scene.paused == {0}
    await scene.lanes.end(0)


async def test_who_has_few_but_large_records_is_paused_once_they_take_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = await _beside_a_small_lane()
    await _taken(scene, 0, 0, 2, "a" * 13_000)
    await _taken(scene, 1, 0, 2, "b" * 28_000)
    monkeypatch.setattr(module, "_AHEAD_BYTES", scene.lanes.waiting.bytes + 1)
    await _taken(scene, 2, 1, 0)
    assert scene.paused == set(), "there is room left"
    await _taken(scene, 0, 2, 1, "c")
    assert scene.paused == {1}, "two thirds are the other's"
    await _taken(scene, 0, 3, 1, "a" * 13_000)
    assert scene.paused == {0, 1}
    await _decided(scene, {0: 4, 1: 2, 2: 1})
    assert scene.paused == set()
    await scene.lanes.end(0)


async def test_a_partition_is_read_so_far_beyond_its_first_undecided_record_again_and_again() -> None:
    scene, first = Scene(), 0
    for _ in range(2):
        await _taken(scene, 0, first, _BATCH)
        await _taken(scene, 0, first + _BATCH, 3 * _BATCH, "b")
        await _taken(scene, 0, first + 4 * _BATCH, _BATCH - 1, "b")
        assert scene.paused == set()
        await _taken(scene, 0, first + 5 * _BATCH - 1, 1, "b")
        assert scene.paused == {0}
        first += 5 * _BATCH
        await _decided(scene, {0: first})
        assert scene.paused == set()
    await scene.lanes.end(0)


async def test_after_a_rebalance_partitions_are_paused_anew() -> None:
    scene = Scene()
    await _taken(scene, 0, 0, 6 * _BATCH)
    assert scene.paused == {0}
    await scene.close_and_join(0)
    scene.paused.clear()
    scene.admit({0: 0})
    await _taken(scene, 0, 0, 6 * _BATCH)
    assert scene.paused == {0}
    await scene.lanes.end(0)


async def test_nothing_is_acknowledged_twice() -> None:
    scene, told = Scene(), []

    async def acknowledge(offsets: Mapping[TopicPartition, int]) -> None:
        told.append(dict(offsets))
        scene.acknowledged |= {partition.partition: offset for partition, offset in offsets.items()}

    scene.acknowledge = acknowledge  # type: ignore[method-assign]
    await _taken(scene, 0, 0, _BATCH)
    await scene.settles_all(_BATCH)
    await scene.has_acknowledged({0: _BATCH})
    scene.submitting(*_records(0, _BATCH, _BATCH + 1), *_records(0, 2 * _BATCH + 1, 2, "b"))
    await scene.has_begun(3)
    scene.settled[2].set_result(True)
    await scene.has_begun(3)
    assert scene.lanes._acknowledging is None
    await scene.settles_all(2 * _BATCH + 3)
    await scene.has_acknowledged({0: 2 * _BATCH + 3})
    assert told[0] == {_HERE: _BATCH}
    assert [one[_HERE] for one in told] == sorted({one[_HERE] for one in told})
    await scene.lanes.end(0)


async def test_what_is_known_of_partitions() -> None:
    scene = Scene()
    elsewhere = TopicPartition("topic", 9)
    assert (scene.lanes.reached(elsewhere), scene.lanes.first_undecided(elsewhere)) == (0, None)
    assert (scene.lanes.reached(_HERE), scene.lanes.first_undecided(_HERE)) == (0, None)
    await _taken(scene, 0, 3, 2)
    assert scene.lanes.first_undecided(_HERE) == (3, _BEGAN)
    await scene.lanes.end(0)


async def test_what_is_in_progress_at_the_end_is_finished_and_nothing_begins() -> None:
    scene = Scene()
    await _taken(scene, 0, 0, 20)
    await scene.has_begun(1)
    ending = asyncio.create_task(scene.lanes.end(10))
    await asyncio.sleep(0)
    scene.settled[0].set_result(True)
    await asyncio.wait_for(ending, 10)
    assert scene.acknowledged == {0: 8}
    assert scene.lanes.waiting.records == 0
    scene.admit({0: 8})
    await _taken(scene, 0, 8, 4)
    await scene.has_begun(1)


async def test_what_does_not_finish_in_time_is_abandoned() -> None:
    unheard: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: unheard.append(context))
    try:
        scene = Scene()
        await _taken(scene, 0, 0, 2)
        await scene.has_begun(1)
        await scene.lanes.end(0)
        for _ in range(3):
            await asyncio.sleep(0)
    finally:
        loop.set_exception_handler(None)
    assert scene.settled[0].cancelled()
    assert (unheard, scene.failures) == ([], [])


async def test_after_what_nobody_expected_nothing_begins() -> None:
    scene = Scene()
    await _taken(scene, 0, 0, 2)
    await scene.has_begun(1)
    scene.settled[0].set_exception(ZeroDivisionError())
    await _failed(scene, 1)
    await _taken(scene, 1, 0, 2, "b")
    await scene.has_begun(1)
