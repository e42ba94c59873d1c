"""Watermarks as a model: db/raising.py, and watermarks.py, closing.py, idle.py, takeover.py of workers/publishing/.

Of several slots the relay of slot 0 closes the shards of all; relays of the others publish a row, and note in the
database that they have, in a step each. How rows and positions reach Kafka is another model's matter (publication.py):
here a row is published in one step, and a watermark is told in one. A database that fails over forgets the instants
that it raised, and what was noted, never a row, and whoever was connected to it begins again; its clock may be behind
then. Clocks are small numbers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

_APART = 1
"""How far two clocks may be apart for idle shards to be raised."""
_LEAP = 3
_LATER = 99
LEAP, FAILOVER = "leap", "failover"


class Safeguard(StrEnum):
    """What makes watermarks true, each of which can be left out."""

    PUBLISHED_FIRST = "a head counts for the watermark once its position is published"
    UNDER_THE_LOCK = "an idle shard is closed by raising its last instant under its lock"
    BOTH_CLOCKS = "nothing is closed beyond the earlier of two clocks, or while they differ too much"
    HELD = "a process that takes over first raises the shards to the last watermark"
    NOT_CARRIED_OVER = "a watermark is computed from nothing that was read before the producer was initialised"
    NEVER_LOWER = "a watermark that is lower than the last one is not sent"
    NOTED_AFTERWARDS = "a slot records its positions once Kafka has committed them"
    ENDS_AFTERWARDS = "the ends of the events are queried after the other slots' positions are read"


class Shard(NamedTuple):
    """The row of a shard, the instants of its log, how many of them are published, and noted to be by another slot."""

    last: int = 0
    log: tuple[int, ...] = ()
    published: int = 0
    noted: int = 0


class Relay(NamedTuple):
    """What a relay has read and counted; its own clock is behind by `skew`."""

    heads: tuple[tuple[int, int] | None, ...]
    closed: tuple[int, ...]
    skew: int = 0
    noted: tuple[int, ...] = ()
    """How much other slots have published of each shard, as it was read."""
    ends: tuple[int, ...] = ()
    """How much of each shard stood before the ends when these were asked for, if that is not as a watermark is told."""


class World(NamedTuple):
    """The time, how far the database's clock is ahead of it, the database, who is at work, and what readers know."""

    shards: tuple[Shard, ...]
    now: int = 1
    ahead: int = 0
    writing: tuple[int, int] | None = None
    """The shard that a worker has locked, and the instant that it got."""
    is_held: bool = False
    relay: Relay | None = None
    told: int = 0
    faults: frozenset[str] = frozenset()
    """Those that are still to come: each comes once at most."""
    wrong: str = ""


@dataclass(frozen=True)
class Closing:
    """Up to `rows` rows in each of `shards` shards, until the time is `until`, with some faults, once each.

    Shard `n` is published by the relay of slot `n` modulo `slots`.
    """

    shards: int = 2
    slots: int = 1
    rows: int = 1
    until: int = 2
    faults: frozenset[str] = frozenset({LEAP, FAILOVER})
    without: frozenset[Safeguard] = frozenset()

    def initial(self) -> World:
        """An empty log, and nobody at work."""
        return World((Shard(),) * self.shards, faults=self.faults)

    def steps(self, world: World) -> Iterator[tuple[str, World]]:
        """Yield what time, a worker, a relay or a fault may do next."""
        if world.now < self.until:
            yield "time passes", world._replace(now=world.now + 1)
        if world.ahead:
            yield "the database's clock is put right", world._replace(ahead=0)
        elif LEAP in world.faults:
            yield "the database's clock leaps ahead", world._replace(ahead=_LEAP, faults=world.faults - {LEAP})
        if FAILOVER in world.faults:
            yield "the database fails over", self._failed_over(world)
        yield from self._worker(world)
        yield from self._other_slots(world)
        if world.relay is not None:
            for told, after in self._relay(world, world.relay):
                yield f"the relay {told}", after
        elif world.writing is None:
            for skew in (0, 1):
                ends = () if self._holds(Safeguard.ENDS_AFTERWARDS) else _published(world)
                begun = Relay((None,) * self.shards, (0,) * self.shards, skew, (0,) * self.shards, ends)
                yield f"a relay begins, its clock {skew} behind", self._held(world)._replace(relay=begun)

    def violation(self, world: World) -> str | None:
        """No event comes at or before what was closed; the watermark neither falls nor closes what is to come."""
        return world.wrong or None

    def is_done(self, world: World) -> bool:
        """All is written, published and closed."""
        latest = max((instant for shard in world.shards for instant in shard.log), default=0)
        is_whole = all(len(shard.log) == self.rows == shard.published for shard in world.shards)
        return is_whole and world.told >= min(latest, self.until - 1)

    def _holds(self, safeguard: Safeguard) -> bool:
        return safeguard not in self.without

    def _worker(self, world: World) -> Iterator[tuple[str, World]]:
        if not world.is_held and world.writing is None:
            yield "a worker takes up work", self._held(world)._replace(is_held=True)
        if world.is_held and world.writing is None:
            for number, shard in enumerate(world.shards):
                if len(shard.log) < self.rows:
                    instant = max(world.now + world.ahead, shard.last + 1)
                    yield f"a worker locks shard {number} and gets {instant}", world._replace(writing=(number, instant))
        if world.writing is not None:
            number, instant = world.writing
            shard = world.shards[number]
            written = shard._replace(last=instant, log=(*shard.log, instant))
            yield f"a worker commits {instant}", _with_shard(world, number, written)._replace(writing=None)

    def _is_of_another(self, number: int) -> bool:
        return number % self.slots != 0

    def _other_slots(self, world: World) -> Iterator[tuple[str, World]]:
        """`Relay._publish` and `Bound.note` of the relays of other slots."""
        for number, shard in enumerate(world.shards):
            if not self._is_of_another(number):
                continue
            if shard.published < len(shard.log):
                yield self._publishes(world, number, "another slot publishes")
            known = shard.published if self._holds(Safeguard.NOTED_AFTERWARDS) else len(shard.log)
            if shard.noted < known:
                yield "another slot notes its positions", _with_shard(world, number, shard._replace(noted=known))

    def _publishes(self, world: World, number: int, who: str) -> tuple[str, World]:
        shard = world.shards[number]
        instant = shard.log[shard.published]
        after = _with_shard(world, number, shard._replace(published=shard.published + 1))
        wrong = f"late: {instant} is published although {world.told} is closed" if instant <= world.told else ""
        return f"{who} {instant}", after._replace(wrong=wrong)

    def _held(self, world: World) -> World:
        """`hold_to`."""
        if not self._holds(Safeguard.HELD):
            return world
        return world._replace(shards=tuple(one._replace(last=max(one.last, world.told)) for one in world.shards))

    def _failed_over(self, world: World) -> World:
        """What was raised or noted is forgotten, what was written is not."""
        forgotten = tuple(one._replace(last=max(one.log, default=0), noted=0) for one in world.shards)
        return world._replace(
            shards=forgotten,
            ahead=-1,
            writing=None,
            is_held=False,
            relay=None if self._holds(Safeguard.NOT_CARRIED_OVER) else world.relay,
            faults=world.faults - {FAILOVER},
        )

    def _relay(self, world: World, relay: Relay) -> Iterator[tuple[str, World]]:
        yield "is killed", world._replace(relay=None)
        raised = self._raised(world, relay)
        if raised != world:
            yield "raises idle shards", raised
        seen = tuple(
            (len(shard.log), shard.last) if head is None or head[0] == len(shard.log) else head
            for head, shard in zip(relay.heads, world.shards, strict=True)
        )
        if seen != relay.heads:
            yield "reads the heads", world._replace(relay=relay._replace(heads=seen))
        for number, shard in enumerate(world.shards):
            if shard.published < len(shard.log) and not self._is_of_another(number):
                yield self._publishes(world, number, "publishes")
        noted = tuple(shard.noted for shard in world.shards)
        if noted != relay.noted:
            yield "reads what other slots have noted", world._replace(relay=relay._replace(noted=noted))
        if relay.ends and relay.ends != _published(world):
            yield "asks where events end", world._replace(relay=relay._replace(ends=_published(world)))
        yield from self._tells(world, relay)

    def _raised(self, world: World, relay: Relay) -> World:
        """`raise_idle`."""
        own, theirs = world.now - relay.skew, world.now + world.ahead
        bound = theirs
        if self._holds(Safeguard.BOTH_CLOCKS):
            if abs(theirs - own) > _APART:
                return world
            bound = min(own, theirs)
        locked = world.writing[0] if world.writing else None
        shards = tuple(
            one if number == locked else one._replace(last=max(one.last, bound))
            for number, one in enumerate(world.shards)
        )
        return world._replace(shards=shards)

    def _tells(self, world: World, relay: Relay) -> Iterator[tuple[str, World]]:
        """`Watermarks.count`, `Watermarks.end_at` and `Watermarks.next`."""
        known = [
            relay.noted[number] if self._is_of_another(number) else shard.published
            for number, shard in enumerate(world.shards)
        ]
        counts = [
            head is not None and (position >= head[0] or not self._holds(Safeguard.PUBLISHED_FIRST))
            for head, position in zip(relay.heads, known, strict=True)
        ]
        closed = tuple(
            head[1] if does_count and head is not None else before
            for does_count, head, before in zip(counts, relay.heads, relay.closed, strict=True)
        )
        heads = tuple(None if does_count else head for does_count, head in zip(counts, relay.heads, strict=True))
        watermark = min(closed)
        if not self._holds(Safeguard.UNDER_THE_LOCK) and all(one.published == len(one.log) for one in world.shards):
            watermark = world.now - relay.skew
        if self._holds(Safeguard.BOTH_CLOCKS):
            watermark = min(watermark, world.now - relay.skew)
        counted = world._replace(relay=relay._replace(heads=heads, closed=closed))
        if watermark > world.told:
            wrong = f"future: {watermark} is closed at {world.now}" if watermark > world.now else ""
            for number, end in enumerate(relay.ends):
                shard = world.shards[number]
                if self._is_of_another(number) and min(shard.log[end : shard.published], default=_LATER) <= watermark:
                    wrong = f"behind: {watermark} is closed, but not all of it is before the ends"
            yield f"tells that {watermark} is closed", counted._replace(told=watermark, wrong=wrong)
        elif 0 < watermark < world.told and not self._holds(Safeguard.NEVER_LOWER):
            yield (
                f"tells that {watermark} is closed",
                counted._replace(told=watermark, wrong=f"fell: {watermark} is published after {world.told}"),
            )
        elif counted != world:
            yield "counts what is published", counted


def _published(world: World) -> tuple[int, ...]:
    return tuple(shard.published for shard in world.shards)


def _with_shard(world: World, number: int, shard: Shard) -> World:
    return world._replace(shards=(*world.shards[:number], shard, *world.shards[number + 1 :]))
