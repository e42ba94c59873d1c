"""Records come out of a queue as they went in, and while they wait it takes as much memory as it says."""

import gc
import tracemalloc
from collections import deque
from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_URL, uuid5

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.records import Headers, Record
from workers.consuming.queues import _BYTES_OF_A_QUEUE, Queue

_BEGAN = datetime(2026, 7, 1, 12, 0, 0, 123_000, tzinfo=UTC)


def _records(first: int, count: int) -> list[Record]:
    """Make records as they come from Kafka: what is the same in many of them may be one object."""
    headers = (("content-type", b"application/cloudevents+json"),)
    return [
        Record(
            "whopays.admin-commands",
            3,
            2 * offset,
            _BEGAN + timedelta(milliseconds=offset),
            b"acme",
            headers,
            b'{"specversion":"1.0","id":"%s","source":"/tests","type":"io.milo.billing.BindProject.v1","authid":"alice",'
            b'"data":{"organization":"acme","project":"project-%d","account":"main"}}'
            % (str(uuid5(NAMESPACE_URL, str(offset))).encode(), offset),
        )
        for offset in range(first, first + count)
    ]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 150), st.booleans(), st.integers(0, 150)), max_size=5))
def test_records_come_out_as_they_went_in(turns: list[tuple[int, bool, int]]) -> None:
    queue, expected, added = Queue(), deque[Record](), 0
    empty = queue.bytes
    for appended, is_much, taken in turns:
        records = _records(added, appended)
        queue.extend(records, is_much=is_much)
        expected += records
        added += appended
        count = min(taken, len(expected))
        assert queue.take(count) == [expected.popleft() for _ in range(count)]
        assert len(queue) == len(expected)
        assert (queue.bytes == empty) is (not expected)
    assert queue.take(len(queue)) == [*expected]
    assert (len(queue), queue.bytes) == (0, empty)


def test_whatever_a_record_holds_comes_out() -> None:
    headers: Headers = (("name", b"\xff\x00"), ("name", None), ("content-type", b"application/json"))
    odd = [
        Record("topic", 0, 2**63 - 1 - offset, _BEGAN, *rest)
        for offset, rest in enumerate([(None, (), None), (b"", headers, b""), (b"\xff", headers[:1], b"\x80" * 70_000)])
    ]
    queue = Queue()
    queue.extend(odd * 100, is_much=True)
    assert queue.take(300) == odd * 100


@pytest.mark.parametrize(
    ("count", "is_much", "at_most"),
    ((1, True, 1_200), (64, True, 40_000), (5_000, True, 1_000_000), (5_000, False, 3_000_000)),
)
def test_how_much_memory_it_takes(count: int, is_much: bool, at_most: int) -> None:
    gc.collect()
    tracemalloc.start()
    try:
        queue = Queue()
        before = tracemalloc.get_traced_memory()[0]
        for first in range(0, count, 500):
            queue.extend(_records(first, min(500, count - first)), is_much=is_much)
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert taken < at_most
    # Up to 50 bytes of a record are kept by whoever remembers that it is undecided.
    kept_elsewhere = 45 * (count - 200) if is_much and count > 200 else 0
    assert taken + kept_elsewhere <= queue.bytes <= taken + _BYTES_OF_A_QUEUE + 100 * count


@pytest.mark.parametrize(
    ("key", "headers", "value", "size"),
    (
        (None, (), None, 220),
        (b"key", (), b"value", 220 + 3 + 5),
        (None, (("content-type", b"application/json"),), None, 220),
        (None, (("name", b"value"), ("other", None)), None, 220 + (200 + 4 + 5) + (200 + 5)),
    ),
)
def test_how_much_a_record_takes(key: bytes | None, headers: Headers, value: bytes | None, size: int) -> None:
    queue = Queue()
    queue.extend([Record("topic", 0, 0, _BEGAN, key, headers, value)], is_much=True)
    assert queue.bytes == 500 + size
