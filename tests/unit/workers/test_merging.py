"""The logs of several shards as one stream: by time, then shard, then position, whatever pages they come in."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from tempfile import TemporaryFile
from typing import IO

import pytest

from db.history import HistoryRow, Page
from workers.replaying.how_far import HowFar
from workers.replaying.merging import merged
from workers.replaying.snapshot import LastOfSubjects, _last_of, _spill

_NOON = datetime(2027, 1, 31, 12, tzinfo=UTC)


def _row(shard: int, position: int, second: int) -> HistoryRow:
    return HistoryRow(shard, position, _NOON + timedelta(seconds=second), "bindings", b"k", b"v")


async def _merged(
    logs: Mapping[int, Sequence[HistoryRow]], spans: Mapping[int, tuple[int, int]], page: int
) -> tuple[list[tuple[int, int]], int, int]:
    """Return the places in the order in which they come, how many positions were done with, and in how many parts."""
    far = HowFar(spans, {})
    parts: list[list[tuple[int, int]]] = []

    async def read(shard: int, position: int, until: int) -> Page:
        assert position < until == spans[shard][1]
        reached = min(position + page, until)
        return Page([row for row in logs[shard] if position < row.position <= reached], reached)

    async for rows in merged(spans, read, far.read):
        before = far.positions
        parts.append([(row.shard, row.position) for row in rows])
        for place in parts[-1]:
            far.written([place])
        assert rows
        assert before <= far.positions - len(rows)
    return [place for part in parts for place in part], far.positions, len(parts)


async def test_rows_come_by_time_then_shard_then_position() -> None:
    logs = {
        0: [_row(0, 11, 1), _row(0, 12, 1), _row(0, 14, 5)],
        1: [_row(1, 1, 0), _row(1, 2, 1), _row(1, 3, 9)],
        2: [],
    }
    spans = {0: (10, 14), 1: (0, 3), 2: (7, 7)}
    for page in (1, 2, 100):
        places, looked, _ = await _merged(logs, spans, page)
        assert places == [(1, 1), (0, 11), (0, 12), (1, 2), (0, 14), (1, 3)]
        assert looked == 4 + 3
    assert await _merged({}, {}, 1) == ([], 0, 0)


@pytest.mark.parametrize("seed", range(20))
async def test_pages_of_any_size_give_the_same_stream(seed: int) -> None:
    random = Random(seed)
    logs: dict[int, list[HistoryRow]] = {}
    for shard in range(4):
        second, logs[shard] = 0, []
        for position in range(1, 30):
            second += random.choice((0, 0, 1, 7))
            if random.random() < 0.7:
                logs[shard].append(_row(shard, position, second))
    spans = dict.fromkeys(logs, (0, 29))
    expected = sorted((row for rows in logs.values() for row in rows), key=lambda row: row.order)
    for page in (1, 3, 29):
        places, looked, parts = await _merged(logs, spans, page)
        assert places == [(row.shard, row.position) for row in expected]
        assert looked == 4 * 29
        assert (parts == 1) is (page == 29), "what is read to its end is held back no longer"


@pytest.mark.parametrize("after", (0, 1, 7, 8, 1000))
def test_positions_are_found_again_some_at_a_time(after: int) -> None:
    last = after + 41
    noted = [after + one for one in (1, 2, 8, 9, 16, 17, 33, 41)]
    found = LastOfSubjects(after, last)
    try:
        for position in reversed(noted):
            found.add(position)
        assert found.next(after, 100) == (noted, last)
        for count in (1, 3, 8):
            taken: list[int] = []
            reached = after
            while len(taken) < len(noted):
                some, reached = found.next(reached, count)
                assert len(some) == min(count, len(noted) - len(taken))
                taken += some
            assert taken == noted
        assert found.next(last - 1, 100) == ([last], last)
        assert found.next(noted[-2], 100) == ([last], last)
        assert found.next(last, 100) == ([], last)
    finally:
        found.close()
    with pytest.raises(ValueError, match="closed"):
        found.next(after, 1)


def test_of_subjects_that_are_spilled_the_last_position_counts() -> None:
    with TemporaryFile() as one, TemporaryFile() as other:
        files: list[IO[bytes]] = [one, other]
        subjects = [bytes([number]) * 16 for number in range(7)]
        _spill(held := {subject: (1, number) for number, subject in enumerate(subjects)}, files)
        assert held == {}
        _spill({subjects[3]: (1, 2**40), subjects[4]: (300, 50)}, files)
        last = [_last_of(file) for file in files]
    assert [set(one) for one in last] == [set(subjects[0::2]), set(subjects[1::2])]
    places = {subject: (1, number) for number, subject in enumerate(subjects)}
    assert last[0] | last[1] == {**places, subjects[3]: (1, 2**40), subjects[4]: (300, 50)}


def test_more_subjects_are_spilled_than_are_read_at_once() -> None:
    held = {number.to_bytes(16, "big"): (1, number) for number in range(10_000)}
    with TemporaryFile() as file:
        _spill({**held}, [file])
        assert _last_of(file) == held
