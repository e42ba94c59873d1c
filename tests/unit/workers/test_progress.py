"""How far a partition is decided, in whatever order its records are."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate

import pytest
from aiokafka import TopicPartition
from hypothesis import given, settings
from hypothesis import strategies as st

from db.reading_positions import Span
from tests.support.batches import progress_of, records
from tests.support.messages import project
from workers.batches.messages import message_of
from workers.batches.progress import PassedOver, Progress, insist_on, noting
from workers.consuming.projects import PROJECTS
from workers.runtime.settings import Settings

_PARTITION = TopicPartition("topic", 0)
_BEGIN = datetime(2027, 1, 1, tzinfo=UTC)


def _progress(reached: int, *offsets: int) -> Progress:
    progress = Progress(_PARTITION, reached)
    for offset in offsets:
        progress.read(offset, _BEGIN + timedelta(seconds=offset))
    return progress


def _settle(progress: Progress, *offsets: int) -> tuple[int, int, tuple[int, ...], tuple[int, ...]]:
    span = progress.span(offsets)
    progress.settle(offsets, span)
    return span.since, span.until, span.ahead, span.passed


def test_what_is_decided_in_order_is_noted_up_to_its_end_across_holes() -> None:
    progress = _progress(5, 5, 6, 9)
    assert _settle(progress, 5, 6) == (5, 9, (), ())
    assert _settle(progress, 9) == (9, 10, (), ())
    assert (progress.position, progress.reached) == (10, 10)


def test_what_is_decided_ahead_counts_once_all_before_it_is() -> None:
    progress = _progress(0, 0, 1, 2, 3, 4, 5)
    assert _settle(progress, 2, 4) == (0, 0, (2, 4), ())
    assert [progress.is_decided(offset) for offset in range(6)] == [False, False, True, False, True, False]
    assert _settle(progress, 5, 0) == (0, 1, (5,), ())
    assert [progress.is_decided(offset) for offset in range(6)] == [True, False, True, False, True, True]
    assert (progress.position, progress.reached) == (1, 1)
    assert _settle(progress, 1) == (1, 3, (), (4,))
    assert _settle(progress, 3) == (3, 6, (), (4, 5))
    assert (progress.position, progress.reached) == (6, 6)
    assert all(map(progress.is_decided, range(6)))


def test_what_is_read_again_is_noted_as_it_was_and_acknowledged_as_it_comes() -> None:
    progress = _progress(30, 10, 11, 30, 31)
    assert _settle(progress, 11) == (30, 30, (), ())
    assert (progress.position, progress.reached) == (10, 30)
    assert _settle(progress, 31, 10) == (30, 30, (31,), ())
    assert _settle(progress, 30) == (30, 32, (), (31,))
    assert (progress.position, progress.reached) == (32, 32)


def test_the_first_record_that_is_not_decided_is_known_with_its_timestamp() -> None:
    progress = _progress(0, 3, 4, 5)
    for decided, first in (((4,), 3), ((3,), 5), ((5,), None)):
        _settle(progress, *decided)
        assert progress.first == (None if first is None else (first, _BEGIN + timedelta(seconds=first)))


def test_what_is_read_meanwhile_is_not_acknowledged_beyond_what_was_noted() -> None:
    progress = _progress(0, 0)
    span = progress.span([0])
    progress.read(7, _BEGIN)
    progress.settle([0], span)
    assert (span.until, progress.position, progress.reached) == (1, 1, 1)


_READ = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 4)), min_size=1, max_size=40)


@settings(deadline=None)
@given(_READ, st.data(), st.integers(0, 5), st.integers(0, 20))
def test_in_whatever_order_nothing_undecided_is_passed_and_nothing_is_left(
    read: list[tuple[int, int]], data: st.DataObject, first: int, behind: int
) -> None:
    offsets = list(accumulate((gap for gap, _ in read), initial=first))
    progress = _progress(first + behind, *offsets)
    undecided = [*offsets]
    ahead: dict[int, Sequence[int]] = {}
    reached = first + behind
    while undecided:
        decided = data.draw(st.lists(st.sampled_from(undecided), min_size=1, unique=True))
        undecided = [offset for offset in undecided if offset not in decided]
        span = progress.span(decided)
        assert span.since == reached
        assert span.until >= reached
        reached = span.until
        assert all(offset >= first + behind and offset >= min(undecided, default=reached) for offset in span.ahead)
        assert not any(first + behind <= offset < reached for offset in undecided)
        # Every transaction that it relies on did note something, and each is named when it is passed.
        assert set(span.passed) == {last for last, noted in ahead.items() if min(noted) < reached}
        ahead = {last: [one for one in noted if one >= reached] for last, noted in ahead.items()}
        ahead = {last: noted for last, noted in ahead.items() if noted}
        if span.ahead:
            ahead[span.ahead[-1]] = span.ahead
        progress.settle(decided, span)
        assert progress.position == min([*undecided, offsets[-1] + 1, reached])
    assert progress.position == offsets[-1] + 1
    assert ahead == {}


async def test_who_notes_waits_for_who_is_noting_and_counts_what_that_has_decided() -> None:
    read = records(*(project("acme", f"p{number}") for number in range(3)))
    messages = [message_of(record, PROJECTS.reader(Settings()), 4096, is_private=False) for record in read]
    progress = progress_of(read, 0)
    entered: list[list[Span]] = []

    async def note() -> None:
        async with noting(progress, messages[:2]) as spans:
            entered.append(spans)

    with pytest.raises(PassedOver, match="projects/0/0"):
        insist_on(read, progress)
    async with noting(progress, messages[2:]) as first:
        second = asyncio.create_task(note())
        await asyncio.sleep(0)
        assert (first[0].ahead, entered) == ((2,), [])
    await second
    insist_on(read, progress)
    assert [(span.until, span.passed) for span in entered[0]] == [(3, (2,))]


async def test_what_is_not_committed_is_not_decided() -> None:
    read = records(project("acme", "web"))
    progress = progress_of(read, 0)
    messages = [message_of(record, PROJECTS.reader(Settings()), 4096, is_private=False) for record in read]
    with pytest.raises(ZeroDivisionError):
        async with noting(progress, messages):
            raise ZeroDivisionError
    ((_, one),) = progress.items()
    assert (one.position, one.reached, one.noting.locked()) == (None, 0, False)
