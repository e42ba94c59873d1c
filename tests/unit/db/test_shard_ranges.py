"""Which shard an organization has, and had, and where the log of each ends."""

import pytest

from db.placing import shard_of
from db.shard_ranges import ShardRange, ShardRanges

_RANGES = ShardRanges([ShardRange(0, 2, 0, (5, 9)), ShardRange(2, 3, 9, (11, 9, 12)), ShardRange(5, 4, 12)])


def test_each_shard_has_a_range_and_an_end_once_it_is_closed() -> None:
    first, second, third = _RANGES.every
    assert [_RANGES.of(shard) for shard in range(9)] == [first] * 2 + [second] * 3 + [third] * 4
    assert [_RANGES.of(shard).end_of(shard) for shard in range(9)] == [5, 9, 11, 9, 12, None, None, None, None]
    assert _RANGES.total == 9
    with pytest.raises(LookupError, match="there is no shard 9"):
        _RANGES.of(9)


def test_an_organization_has_one_shard_of_each_range() -> None:
    for name in ("acme", "globex", "initech"):
        old, middle, now = shard_of(name, 2), 2 + shard_of(name, 3), 5 + shard_of(name, 4)
        assert _RANGES.shards_of(name) == (old, middle, now)
        assert [_RANGES.shard_at(name, position) for position in (0, 1, 9, 10, 12, 13, 99)] == [
            old, old, old, middle, middle, now, now
        ]  # fmt: skip


def test_what_lies_beyond_the_end_of_a_closed_shard_is_nowhere() -> None:
    assert [position for position in range(14) if _RANGES.is_beyond(0, position)] == [*range(6, 14)]
    assert [position for position in range(14) if _RANGES.is_beyond(4, position)] == [13]
    assert not _RANGES.is_beyond(5, 99)
