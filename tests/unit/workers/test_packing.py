"""What the relay publishes continues what is published, and goes to the partition that Kafka would choose."""

from collections import Counter

import pytest

from db.log import LogRow, row_hash
from workers.publishing.packing import LogDamaged, hole, partition_of, reached_by
from workers.publishing.positions import BEGINNING, Position


def _row(shard: int, position: int, before: bytes, key: bytes | None = b"k", asked: str | None = None) -> LogRow:
    return LogRow(shard, position, "bindings", key, b"v", row_hash(before, "bindings", key, b"v", asked), asked)


_FIRST = _row(0, 1, BEGINNING.hash)
_SECOND = _row(0, 2, _FIRST.hash, key=None, asked='{"person":"ada"}')
_OTHER = _row(1, 8, b"x" * 32)
_BEFORE = {1: Position(7, b"x" * 32)}


def test_rows_continue_what_is_published() -> None:
    assert reached_by([], _BEFORE) == {}
    assert reached_by([_FIRST, _OTHER, _SECOND], _BEFORE) == {0: Position(2, _SECOND.hash), 1: Position(8, _OTHER.hash)}
    assert reached_by([_SECOND], {0: Position(1, _FIRST.hash)}) == {0: Position(2, _SECOND.hash)}


@pytest.mark.parametrize(
    ("rows", "said"),
    (
        ([_SECOND], "the log of shard 0 has a hole after position 0"),
        ([_FIRST, _FIRST], "the log of shard 0 has a hole after position 1"),
        ([_OTHER._replace(position=9)], "the log of shard 1 has a hole after position 7"),
        ([_OTHER._replace(position=7)], "the log of shard 1 has a hole after position 7"),
        ([_FIRST, _SECOND._replace(value=b"w")], "the log of shard 0 does not continue what was published, at 2"),
        ([_FIRST, _SECOND._replace(key=b"k")], "the log of shard 0 does not continue what was published, at 2"),
        ([_FIRST, _SECOND._replace(topic="notices")], "the log of shard 0 does not continue what was published, at 2"),
        ([_FIRST, _SECOND._replace(asked=None)], "the log of shard 0 does not continue what was published, at 2"),
        ([_row(1, 8, b"y" * 32)], "the log of shard 1 does not continue what was published, at 8"),
    ),
)
def test_a_log_that_was_altered_is_not_published(rows: list[LogRow], said: str) -> None:
    with pytest.raises(LogDamaged, match=f"^{said}$"):
        reached_by(rows, _BEFORE)


def test_a_hole_is_named() -> None:
    assert str(hole(3, 17)) == "the log of shard 3 has a hole after position 17"


@pytest.mark.parametrize(("key", "hashed"), ((b"", 275646681), (b"21", 1173551340), (b"abc", 479470107)))
def test_a_key_goes_to_the_partition_that_every_client_of_kafka_chooses(key: bytes, hashed: int) -> None:
    for partitions in (1, 2, 12, 50):
        assert partition_of(key, 99, partitions) == hashed % partitions


def test_what_has_no_key_is_spread() -> None:
    assert Counter(partition_of(None, position, 4) for position in range(40)) == dict.fromkeys(range(4), 10)
