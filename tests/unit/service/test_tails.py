"""The ends of organizations' logs that are kept for those who follow: what each is given, and what is let go."""

import asyncio

import pytest

from db.engine import create_engine
from db.following import Followed, FollowedEvent
from db.reading import Connection, ReadingPool
from db.shard_ranges import ShardRange, ShardRanges
from service import tails as module
from service.tails import Tails, _Tail
from service.waking import Waking

_LARGE = module._TAKEN_BYTES


async def _never() -> Connection:
    raise AssertionError("what is kept is asked of nobody")


@pytest.fixture
def tails(monkeypatch: pytest.MonkeyPatch) -> Tails:
    """What follows, without a database, and with room for 100 bytes."""
    monkeypatch.setattr(module, "_KEPT_BYTES", 100)
    waking = Waking(create_engine("postgresql://nobody@localhost/none", pool_size=1))
    return Tails(ReadingPool(_never, 1), waking, ShardRanges([ShardRange(0, 4)]))


def _events(*positions: int, size: int = 10) -> list[FollowedEvent]:
    return [FollowedEvent(position, "type", b"x" * size) for position in positions]


def _tail(after: int, reached: int, *events: FollowedEvent) -> _Tail:
    tail = _Tail("acme", 3, after, reached)
    tail.events.extend(events)
    return tail


def test_who_follows_is_given_what_comes_after_and_told_how_far_that_is() -> None:
    events = _events(2, 5, 7)
    tail = _tail(1, 9, *events)
    for position, given in ((1, events), (2, events[1:]), (4, events[1:]), (5, events[2:]), (7, [])):
        assert tail.since(position) == Followed(given, 9)


@pytest.mark.parametrize(("size", "given"), ((_LARGE - 1, 2), (_LARGE, 1), (_LARGE // 2, 2), (_LARGE // 2 - 1, 3)))
def test_who_follows_is_not_given_all_at_once(size: int, given: int) -> None:
    events = _events(2, 5, 7, size=size)
    found = _tail(1, 9, *events).since(1)
    assert found.events == events[:given]
    assert found.reached == (9 if given == 3 else events[given - 1].position)


async def test_what_is_kept_of_all_is_bounded_and_the_oldest_goes_first(tails: Tails) -> None:
    async with tails.following("acme", 3, 0, 0) as first, tails.following("globex", 1, 0, 0) as second:
        acme, globex = first._tail, second._tail
        tails._add(acme, Followed(_events(1, 2, size=30), 4))
        tails._add(globex, Followed(_events(7, size=40), 7))
        assert (acme.after, acme.reached, len(acme.events)) == (0, 4, 2), "100 bytes have room"
        tails._add(globex, Followed(_events(8, size=1), 8))
        assert (acme.after, [one.position for one in acme.events]) == (1, [2])
        assert (globex.after, [one.position for one in globex.events]) == (0, [7, 8])
        tails._add(globex, Followed([], 12))
        tails._add(globex, Followed([], 11))
        assert (globex.reached, tails._kept_bytes) == (12, 71), "what is behind was read meanwhile"
    # What nobody follows any more counts until it would be let go.
    async with tails.following("acme", 3, 4, 4) as again:
        tails._add(again._tail, Followed(_events(5, size=90), 5))
        assert (again._tail.after, len(again._tail.events), tails._kept_bytes) == (4, 1, 91)


async def test_all_who_follow_are_woken_and_read_on(tails: Tails) -> None:
    async with tails.following("acme", 3, 0, 0) as one:
        async with tails.following("acme", 3, 0, 5) as other:
            assert one._tail is other._tail
            waiting = [asyncio.create_task(follower.next(60)) for follower in (one, other)]
            await asyncio.sleep(0)
            events = _events(1, 2)
            tails._add(one._tail, Followed(events, 3))
            assert await asyncio.gather(*waiting) == [events, events]
            assert (one.position, other.position) == (3, 3)
            waiting = [asyncio.create_task(one.next(60))]
            for _ in range(3):
                await asyncio.sleep(0)
            assert not waiting[0].done(), "it was woken once, for what it was given"
            one.wake()
            assert await waiting[0] == []
            assert await one.next(0) == [], "not for longer than so many seconds"
            waiting = [asyncio.create_task(follower.next(60)) for follower in (one, other)]
            await asyncio.sleep(0)
            tails.wake()
            assert await asyncio.gather(*waiting) == [[], []]
        assert tails._is_followed.is_set(), "one follows it still"
        assert tails._tails == {"acme": one._tail}
    assert not tails._is_followed.is_set()
    assert tails._tails == {}
