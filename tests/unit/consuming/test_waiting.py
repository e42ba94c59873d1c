"""What waits is taken by organization: whatever waits of whom, and whatever is in progress."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime

from aiokafka import TopicPartition
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.records import Record
from workers.consuming.waiting import Batch, Waiting, partition_of

_BATCH = 8
_BEGAN = datetime(2026, 7, 1, tzinfo=UTC)


def _record(partition: int, offset: int, value: bytes = b"{}") -> Record:
    return Record("topic", partition, offset, _BEGAN, b"key", (("name", b"value"),), value)


def _shard_of(boundary: str) -> int:
    return ord(boundary[0])


def _waiting(said: Iterable[tuple[str, int]]) -> Waiting:
    """Return what waits in one partition, of each so many records in a row."""
    waiting = Waiting(_BATCH, _shard_of)
    offset = 0
    for boundary, count in said:
        waiting.put((TopicPartition("topic", 0), boundary), [_record(0, offset + further) for further in range(count)])
        offset += count
    return waiting


def _put(waiting: Waiting, record: Record, boundary: str) -> None:
    waiting.put((partition_of(record), boundary), [record])


def _taken(waiting: Waiting, *busy: str) -> list[int] | None:
    batch = waiting.take(set(map(_shard_of, busy)))
    return None if batch is None else sorted(record.offset for record in batch.records)


def test_whoever_has_little_is_not_behind_whoever_has_much() -> None:
    waiting = _waiting([("a", 100), ("a small one", 1), ("another", 2)])
    assert _taken(waiting) == [0, 1, 2, 3, 4, 100, 101, 102]


def test_who_has_more_than_a_batch_holds_leaves_other_shards_to_other_batches() -> None:
    waiting = _waiting([("a", 100), ("b", 1), ("c", 1)])
    assert _taken(waiting) == list(range(8))
    assert _taken(waiting, "a") == [100, 101]
    assert _taken(waiting, "a") is None


def test_beside_others_who_has_much_gets_a_quarter_of_a_batch_and_alone_all_of_it_again() -> None:
    waiting = _waiting([("a", 100), ("b", 1)])
    assert [len(_taken(waiting, busy) or ()) for busy in ("z", "a")] == [8, 1]
    assert [len(_taken(waiting) or ()) for _ in range(9)] == [2] * 8 + [8]


def test_beside_others_who_has_much_gets_no_more_however_little_they_have() -> None:
    waiting = _waiting([("a", 100), ("a1", 1)])
    _taken(waiting)
    for offset, boundary in enumerate(("a2", "a3", "a4", "a5"), 200):
        _put(waiting, _record(0, offset), boundary)
    assert _taken(waiting) == [7, 8, 200, 201, 202, 203]
    small = Waiting(3, _shard_of)
    for offset, boundary in enumerate(("a", "a", "a", "a", "a", "a1")):
        _put(small, _record(0, offset), boundary)
    assert [_taken(small) for _ in range(2)] == [[0, 1, 5], [2]]


def test_what_is_left_is_shared_like_the_rest() -> None:
    assert _taken(_waiting([("a", 100), ("a1", 100), ("a2", 1)])) == [0, 1, 2, 3, 100, 101, 102, 200]


def test_many_get_one_each_and_who_got_none_is_first_the_next_time() -> None:
    waiting = _waiting([(f"a{number}", 2) for number in range(12)])
    assert _taken(waiting) == list(range(0, 16, 2))
    assert _taken(waiting) == [1, 3, 5, 7, 16, 18, 20, 22]


def test_of_nobody_known_partition_by_partition() -> None:
    waiting = Waiting(_BATCH, _shard_of)
    for partition in (0, 1):
        _put(waiting, _record(partition, 5), "same")
    assert (_taken(waiting), waiting.records) == ([5, 5], 0)


def test_what_waits_is_counted() -> None:
    waiting = Waiting(_BATCH, _shard_of)
    _put(waiting, _record(0, 0), "a")
    small = waiting.bytes
    _put(waiting, _record(1, 0, b"x" * 1000), "a")
    assert (waiting.records, waiting.bytes - 2 * small) == (2, 998)
    assert dict(waiting.of_partition) == {("topic", 0): 1, ("topic", 1): 1}
    assert dict(waiting.bytes_of_partition) == {("topic", 0): small, ("topic", 1): small + 998}
    waiting.take(())
    assert not any([*waiting.of_partition.values(), *waiting.bytes_of_partition.values()])
    _put(waiting, _record(0, 1), "a")
    waiting.clear()
    assert (waiting.records, waiting.bytes, _taken(waiting), dict(waiting.of_partition)) == (0, 0, None, {})


def test_once_much_waits_it_takes_less() -> None:
    waiting = Waiting(_BATCH, _shard_of)
    taken = []
    for offset in range(400):
        _put(waiting, _record(0, offset, b"x" * 100_000), "a")
        taken.append(waiting.bytes)
    per_record = taken[0]
    assert taken[80] > 80 * (per_record - 1_000), "little is kept as it is"
    assert taken[-1] < 100 * per_record


_NAMES = st.sampled_from(("a", "a2", "b", "b2", "c"))
_STEPS = st.lists(
    st.one_of(st.tuples(st.just("put"), st.integers(0, 1), _NAMES), st.sampled_from(("take", "finish"))), max_size=200
)


@settings(deadline=None)
@given(_STEPS)
def test_whatever_happens_records_of_one_are_in_order_and_in_one_batch_at_a_time(
    steps: list[tuple[str, int, str] | str],
) -> None:
    waiting = Waiting(_BATCH, _shard_of)
    put: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
    whose: dict[tuple[int, int], str] = {}
    got: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
    begun: list[Batch] = []
    for step in [*steps, *["finish", "take"] * len(steps)]:
        busy = {shard for batch in begun for shard in batch.shards}
        if isinstance(step, tuple):
            _, partition, boundary = step
            offset = len(whose)
            whose[partition, offset] = boundary
            put[partition, boundary].append(offset)
            _put(waiting, _record(partition, offset), boundary)
        elif step == "finish":
            del begun[:1]
        elif (batch := waiting.take(busy)) is not None:
            of = {_shard_of(whose[record.partition, record.offset]) for record in batch.records}
            assert of == batch.shards
            assert not of & busy
            assert 0 < len(batch.records) <= _BATCH
            for record in batch.records:
                got[record.partition, whose[record.partition, record.offset]].append(record.offset)
            begun.append(batch)
    assert got == put
    assert (waiting.records, waiting.bytes) == (0, 0)
