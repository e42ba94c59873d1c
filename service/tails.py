"""The tails of organizations' logs, each read once for all of its followers.

A follower asks for the events after a position when it has room for them. Nothing is queued per follower, so a slow
one holds neither memory nor a connection. Most ask for events that were just committed, which are kept here for a
while; a follower that lags further behind reads a page of the log, as only a few may at a time.
"""

import asyncio
import contextlib
from bisect import bisect_right
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice

import structlog

from db.errors import brief
from db.following import Followed, FollowedEvent, events_since, first_kept_position
from db.reading import ReadingPool
from db.shard_ranges import ShardRanges
from service.waking import Waking

_PAGE_EVENTS, _PAGE_BYTES = 500, 512 * 1024
_TAKEN_BYTES = 64 * 1024
"""About how much a follower gets at a time, and so may hold while it is being sent."""
_KEPT_BYTES = 32 * 1024 * 1024
"""How many bytes of all tails together are kept."""
_READERS_OF_PAGES = 4
_RETRY_SECONDS = 0.5

logger = structlog.get_logger()


class EventsGone(Exception):
    """The requested events are no longer kept in the log."""


@dataclass(slots=True, eq=False)
class _Tail:
    """The events of an organization in `(after, reached]`, and its followers."""

    organization: str
    shard: int
    after: int
    reached: int
    events: deque[FollowedEvent] = field(default_factory=deque)
    followers: "set[Follower]" = field(default_factory=set)

    def since(self, position: int) -> Followed:
        """Return events after a position in that range, up to about `_TAKEN_BYTES`."""
        begin = bisect_right(self.events, position, key=lambda event: event.position)
        events: list[FollowedEvent] = []
        size = 0
        for event in islice(self.events, begin, None):
            if size >= _TAKEN_BYTES:
                return Followed(events, events[-1].position)
            events.append(event)
            size += len(event.value)
        return Followed(events, self.reached)


class Follower:
    """Reads the events of one organization in order, from a position on."""

    def __init__(self, tails: "Tails", tail: _Tail, position: int) -> None:
        self._tails = tails
        self._tail = tail
        self._woken = asyncio.Event()
        self.position = position
        """Everything up to here has been returned."""

    async def next(self, seconds: float) -> list[FollowedEvent]:
        """Return the next events; none if `seconds` pass, or `wake` is called, before there are any.

        Raises EventsGone, and the errors of the driver.
        """
        tail = self._tail
        if self.position >= tail.reached:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._woken.wait()
            self._woken.clear()
        if self.position < tail.after:
            found = await self._tails.page(tail, self.position)
        elif self.position < tail.reached:
            found = tail.since(self.position)
        else:
            return []
        self.position = found.reached
        return found.events

    def wake(self) -> None:
        """Make `next` return now."""
        self._woken.set()


class Tails:
    """The tails of all organizations that have followers."""

    def __init__(self, pool: ReadingPool, waking: Waking, ranges: ShardRanges) -> None:
        self._pool = pool
        self._ranges = ranges
        self._waking = waking
        self._tails: dict[str, _Tail] = {}
        self._is_followed = asyncio.Event()
        self._pages = asyncio.Semaphore(_READERS_OF_PAGES)
        self._kept: deque[tuple[_Tail, int]] = deque()
        self._kept_bytes = 0

    @asynccontextmanager
    async def following(self, organization: str, shard: int, position: int, head: int) -> AsyncIterator[Follower]:
        """Yield a follower of an organization from a position on; `head` is at most the last position of its shard."""
        tail = self._tails.get(organization)
        if tail is None:
            tail = self._tails[organization] = _Tail(organization, shard, head, head)
        follower = Follower(self, tail, position)
        tail.followers.add(follower)
        self._is_followed.set()
        self._waking.look_again()
        try:
            yield follower
        finally:
            tail.followers.discard(follower)
            if not tail.followers:
                del self._tails[organization]
                tail.events.clear()
                if not self._tails:
                    self._is_followed.clear()

    async def run(self) -> None:
        """Read newly committed events until cancelled."""
        while True:
            await self._is_followed.wait()
            try:
                async with self._waking.watching():
                    while self._tails:
                        behind = [one for one in self._tails.values() if self._seen(one) > one.reached]
                        if behind:
                            await self._read(behind)
                        else:
                            await self._waking.next_look()
            except Exception as error:  # noqa: BLE001 (followers wait until the database is back)
                logger.info("events_not_followed", error=brief(error))
                await asyncio.sleep(_RETRY_SECONDS)

    def wake(self) -> None:
        """Wake all followers."""
        for tail in self._tails.values():
            for follower in tail.followers:
                follower.wake()

    async def page(self, tail: _Tail, position: int) -> Followed:
        """Return a page of events, from the log, after a position that the tail no longer covers. Raises EventsGone."""
        async with self._pages, self._pool.acquire() as connection:
            since = {tail.organization: (tail.shard, position)}
            found = await events_since(connection, since, _PAGE_EVENTS, _TAKEN_BYTES)
            # Checked after the page is read: if nothing is missing now, nothing was missing then.
            if position + 1 < await first_kept_position(connection, self._ranges.shards_of(tail.organization)):
                raise EventsGone(f"{tail.shard}-{position}")
        return found[tail.organization]

    def _seen(self, tail: _Tail) -> int:
        return self._waking.positions.get(tail.shard, 0)

    async def _read(self, behind: list[_Tail]) -> None:
        since = {tail.organization: (tail.shard, tail.reached) for tail in behind}
        async with self._pool.acquire() as connection:
            found = await events_since(connection, since, _PAGE_EVENTS, _PAGE_BYTES)
        for tail in behind:
            self._add(tail, found[tail.organization])

    def _add(self, tail: _Tail, found: Followed) -> None:
        tail.reached = max(tail.reached, found.reached)
        if not found.events:
            return
        tail.events.extend(found.events)
        for event in found.events:
            size = len(event.value)
            self._kept.append((tail, size))
            self._kept_bytes += size
        while self._kept_bytes > _KEPT_BYTES:
            oldest, size = self._kept.popleft()
            self._kept_bytes -= size
            if oldest.events:  # empty once the last follower has left
                oldest.after = oldest.events.popleft().position
        for follower in tail.followers:
            follower.wake()
