"""Changes that are missing: told with what to do, or filled, from the topic or from a replay."""

from pathlib import Path
from typing import Any

import pytest

from tests.services.client.acting import act_replay, story, write
from tests.services.client.reading import keep, loop, numbers, read_all, reading, seen
from whopays_client import (
    Connection,
    Replays,
    SequenceGap,
    SQLiteStore,
)


async def test_a_gap_is_told_with_what_to_do(stage: Connection, store: SQLiteStore, tmp_path: Path) -> None:
    await write(stage, "bindings", [*story("api", 2), *story("web", 2), *story("web", 2, first=5)])
    async with reading(stage, store) as subscriber:
        with pytest.raises(SequenceGap, match="whopays replay start NAME --organization acme --project web") as gap:
            await loop(subscriber)
        assert (gap.value.subject, gap.value.last, gap.value.seen) == ("acme/web", 2, 5)
        # What came before is handled, and the gap stays one.
        assert seen(tmp_path) == numbers("api", 1, 2) + numbers("web", 1, 2)
        with pytest.raises(SequenceGap):
            await loop(subscriber)
        await subscriber.refetch(gap.value)
        assert await loop(subscriber) == [(5, 2), (6, 0)]


async def test_a_reader_may_go_on_by_itself_with_what_is_still_there(stage: Connection, store: SQLiteStore) -> None:
    await write(stage, "bindings", [*story("web", 2), *story("web", 1, first=5), *story("web", 1, first=8)])
    async with reading(stage, store, on_gap="refetch") as subscriber:
        found = await loop(subscriber)
    assert found == [(1, 0), (2, 0), (5, 2), (8, 2)]


async def test_what_stands_on_another_partition_is_no_gap_once_it_is_fetched(
    stage: Connection, store: SQLiteStore
) -> None:
    await write(stage, "bindings", story("web", 2))
    assert await read_all(reading(stage, store)) == numbers("web", 1, 2)
    await write(stage, "bindings", story("web", 1, first=4), partition=1)
    await write(stage, "bindings", story("web", 1, first=3), partition=2)
    async with reading(stage, store, on_gap="refetch") as subscriber:
        found = await loop(subscriber)
    assert found == [(3, 0), (4, 0)]


async def test_a_gap_can_be_filled_from_a_replay(stage: Connection, store: SQLiteStore) -> None:
    await write(stage, "bindings", [*story("web", 1), *story("web", 1, first=4)])
    await act_replay(stage, "lacking", [story("web", 2), story("api", 4)], 10)
    await act_replay(stage, "all", [story("web", 4), story("api", 4)], 10)
    replays = Replays(stage)
    async with reading(stage, store) as subscriber:
        with pytest.raises(SequenceGap) as gap:
            await loop(subscriber)
        with pytest.raises(SequenceGap) as still:
            await subscriber.fill(gap.value, await replays.completed("lacking"))
        assert still.value.last == 2
        await subscriber.fill(gap.value, await replays.completed("all"))
        assert await loop(subscriber) == [(2, 0), (3, 0), (4, 0)]


async def test_a_snapshot_then_what_follows_without_hole_or_overlap(
    stage: Connection, store: SQLiteStore, tmp_path: Path
) -> None:
    await write(stage, "bindings", [*story("web", 4), *story("api", 2)])
    await act_replay(stage, "snapshot", [story("web", 1, first=3), [], story("api", 1, first=2)], 3.5)
    snapshot = await Replays(stage).completed("snapshot")
    begun: dict[str, Any] = {"begin": snapshot}
    async with reading(stage, store, max_batch=1, **begun) as subscriber:
        async for change in subscriber:
            keep(change.transaction, change.heard.subject, change.heard.order)
            break
    assert len(seen(tmp_path)) == 1
    # Begun again in the middle of the snapshot, and then with more that was said meanwhile.
    await write(stage, "bindings", story("web", 1, first=5), partition=0)
    await write(stage, "bindings", story("new", 1), partition=1)
    await read_all(reading(stage, store, **begun))
    assert sorted(seen(tmp_path)) == sorted(numbers("web", 3, 4, 5) + numbers("api", 2) + numbers("new", 1))
    assert await read_all(reading(stage, store, **begun)) == []
