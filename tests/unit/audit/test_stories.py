"""The stories of all shards: what those told that are closed goes on, and what is claimed is summed up."""

from hashlib import sha256

from audit.claims import ClaimedIds, digest_of
from audit.log_story import Stories, organization_of
from db.shard_ranges import ShardRange, ShardRanges
from tests.unit.audit.telling import SOUND, rows

_OLD, _NEW = ShardRange(0, 1, 0, (14,)), ShardRange(1, 2, 14)
_RANGES = ShardRanges([_OLD, _NEW])


def test_what_closed_shards_told_goes_on_in_those_after_them() -> None:
    stories = Stories(_RANGES)
    old = stories.of(0)
    assert stories.of(0) is old
    assert [finding for row in rows(SOUND) for finding in old.hear(row)] == []
    stories.done(old)
    new = stories.of(_NEW.shard_of("acme"))
    assert (new.is_whole, new.position) == (True, 14)
    assert (new.projects, new.accounts, new.unanswered) == (old.projects, old.accounts, old.unanswered)
    stories.done(new)
    assert stories.of(new.shard) is not new
    assert stories.of(0) is not old
    damaged = Stories(_RANGES)
    damaged.of(0).is_whole = False
    damaged.done(damaged.of(0))
    assert [damaged.of(shard).is_whole for shard in _NEW.numbers] == [False, False]


def test_what_a_closed_shard_told_goes_on_in_the_next_range() -> None:
    ranges = ShardRanges([_OLD, ShardRange(1, 7, 14, (20,) * 7), ShardRange(8, 1, 20)])
    stories = Stories(ranges)
    assert [finding for row in rows(SOUND) for finding in stories.of(0).hear(row)] == []
    stories.done(stories.of(0))
    every = [stories.of(shard) for shard in range(9)]
    shard = ranges.every[1].shard_of("acme")
    assert [one.shard for one in every if one.projects] == [shard]
    assert [one.shard for one in every if one.accounts] == [shard]
    assert [one.shard for one in every if one.unanswered] == [shard]


def test_organizations_of_keys() -> None:
    assert [organization_of(key) for key in (None, b"acme", b"acme/web")] == ["", "acme", "acme"]


def test_sums_of_ids_do_not_depend_on_their_order() -> None:
    every = [digest_of(("acme", "/cli", f"c{number}")) for number in range(50)]
    assert len(set(every)) == 50
    forwards, backwards = ClaimedIds(), ClaimedIds()
    for digest in every:
        forwards.add(digest)
    for digest in reversed(every):
        backwards.add(digest)
    assert forwards == backwards
    assert (forwards.number, forwards.total < 1 << 192) == (50, True)
    other = ClaimedIds()
    other.add(sha256(every[0]).digest()[:24])
    assert other.total != int.from_bytes(every[0], "big")
    assert forwards.total == sum(int.from_bytes(sha256(one).digest()[:24], "big") for one in every) % (1 << 192)
