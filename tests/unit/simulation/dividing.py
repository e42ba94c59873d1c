"""Slots as a model: workers/publishing/dividing.py and db/slots.py, and what relay.py does before it publishes.

How a transaction is written and ended is another model's matter (publication.py): here it is opened in one step, with a
row of one shard and its position, and ended in one. Any relay may begin with any slot of any number at any time, and
the number may change beside all of them: nothing rests on leases. A zombie does nothing for as long as it likes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

Id = tuple[int, int]
"""The transactional id of a slot: the number of slots, and the slot."""


class Safeguard(StrEnum):
    """What keeps relays of different numbers of slots apart, each of which can be left out."""

    CHECK_AFTER = "the number of slots is read after the producer is initialised"
    FENCE_ALL = "a new number of slots fences the producers of all slots of the old one"
    FENCE_FIRST = "positions are read after the old number's producers are fenced"
    FENCED_THEN_FORGOTTEN = "an old number is forgotten only once its producers are fenced"
    SAME_CHANGE = "an old number is not forgotten if the number has changed again meanwhile"
    TO_THE_END = "positions are read to the end of their topic, not to the first open transaction of another slot"


class Phase(StrEnum):
    """What a relay does next."""

    OFF = "is not running"
    STARTING = "initialises its producer, which fences its predecessors"
    INITIALISED = "looks at the number of slots"
    FENCING = "fences the old number's producers"
    FENCED = "notes that they are fenced"
    ASKING = "asks where the positions end"
    READING = "reads the positions"
    READY = "publishes"
    OPEN = "ends its transaction"


class Relay(NamedTuple):
    """A relay of a slot, how far it believes each shard to be published, and whom it has to fence."""

    phase: Phase = Phase.OFF
    id: Id = (0, 0)
    positions: tuple[int, ...] = ()
    to_fence: tuple[Id, ...] = ()
    change: int = 0
    awaited: frozenset[Id] = frozenset()
    """Whose transactions were open where the positions ended."""
    row: tuple[int, int] | None = None
    """The shard and the position of its transaction."""
    is_current: bool = False


class Open(NamedTuple):
    """An open transaction: its shard and position; a request to commit it may be on the way."""

    shard: int
    position: int
    is_ending: bool = False


class Noted(NamedTuple):
    """A position on its topic, of the open transaction of an id unless that is None."""

    shard: int
    position: int
    open: Id | None


class World(NamedTuple):
    """The database's number of slots and its older ones; the relays; what Kafka holds."""

    number: int = 1
    change: int = 0
    unfenced: frozenset[int] = frozenset()
    relays: tuple[Relay, ...] = ()
    transactions: tuple[tuple[Id, Open], ...] = ()
    noted: tuple[Noted, ...] = ()
    published: tuple[int, ...] = ()
    wrong: str = ""


@dataclass(frozen=True)
class Dividing:
    """`rows` rows in each of `shards` shards; `relays` relays; the number of slots goes to and fro so many times."""

    shards: int = 2
    rows: int = 1
    relays: int = 2
    numbers: tuple[int, int] = (1, 2)
    changes: int = 2
    without: frozenset[Safeguard] = frozenset()

    def initial(self) -> World:
        """Nothing is published, and nobody is at work."""
        return World(self.numbers[0], relays=(Relay(),) * self.relays, published=(0,) * self.shards)

    def steps(self, world: World) -> Iterator[tuple[str, World]]:
        """Yield what a relay, Kafka or whoever changes the number may do next."""
        if world.change < self.changes:
            yield from self._changes(world)
        for number, relay in enumerate(world.relays):
            for told, after in self._goes_on(world, number, relay):
                yield f"relay {number + 1} {told}", after
        for id_, transaction in world.transactions:
            yield f"the coordinator aborts what {_name(id_)} left open", _ended(world, id_)
            if transaction.is_ending:
                yield f"a late request commits what {_name(id_)} left open", self._committed(world, id_)

    def violation(self, world: World) -> str | None:
        """Every row is published once, in its order."""
        return world.wrong or None

    def is_done(self, world: World) -> bool:
        """Everything is published."""
        return world.published == (self.rows,) * self.shards

    def _holds(self, safeguard: Safeguard) -> bool:
        return safeguard not in self.without

    def _changes(self, world: World) -> Iterator[tuple[str, World]]:
        """`agree` of db/slots.py."""
        (new,) = {*self.numbers} - {world.number}
        changed = world._replace(number=new, change=world.change + 1, unfenced=world.unfenced | {world.number})
        yield f"the number of slots becomes {new}", changed

    def _goes_on(self, world: World, number: int, relay: Relay) -> Iterator[tuple[str, World]]:
        if relay.phase is Phase.OFF:
            for slots in self.numbers:
                for slot in range(slots):
                    if self._holds(Safeguard.CHECK_AFTER) or slots == world.number:
                        begun = Relay(Phase.STARTING, (slots, slot))
                        yield f"begins with {_name(begun.id)}", _with(world, number, begun)
            return
        yield "is killed, or gives up", _with(world, number, Relay())
        if relay.phase in (Phase.READY, Phase.OPEN) and not relay.is_current:
            return  # whatever it tries, it is told that it was fenced
        match relay.phase:
            case Phase.STARTING:
                fenced = _with(_fenced(world, relay.id), number, relay._replace(phase=Phase.INITIALISED))
                yield "gets a new epoch", _with(fenced, number, fenced.relays[number]._replace(is_current=True))
            case Phase.INITIALISED:
                yield from self._looks(world, number, relay)
            case Phase.FENCING:
                id_, *rest = relay.to_fence
                after = relay._replace(phase=Phase.FENCING if rest else Phase.FENCED, to_fence=tuple(rest))
                yield f"fences {_name(id_)}", _with(_fenced(world, id_), number, after)
            case Phase.FENCED:
                is_same = relay.change == world.change or not self._holds(Safeguard.SAME_CHANGE)
                noted = world._replace(unfenced=frozenset()) if is_same else world
                yield "notes that they are fenced", _with(noted, number, relay._replace(phase=self._next(relay)))
            case Phase.ASKING:
                awaited = frozenset(id_ for id_, _ in world.transactions)
                if not self._holds(Safeguard.TO_THE_END):
                    awaited = frozenset()
                yield (
                    "asks where the positions end",
                    _with(world, number, relay._replace(phase=Phase.READING, awaited=awaited)),
                )
            case Phase.READING:
                if not relay.awaited:
                    yield "reads the positions", _with(world, number, self._read(world, relay))
            case Phase.READY:
                yield from self._opens(world, number, relay)
            case Phase.OPEN:
                yield from self._ends(world, number, relay)

    def _looks(self, world: World, number: int, relay: Relay) -> Iterator[tuple[str, World]]:
        """`Division.insist` and `Division.unfenced`."""
        if self._holds(Safeguard.CHECK_AFTER) and relay.id[0] != world.number:
            yield "finds another number, and ends", _with(world, number, Relay())
            return
        slots, slot = relay.id
        to_fence = tuple((old, one) for old in sorted(world.unfenced - {slots}) for one in range(old))
        if not self._holds(Safeguard.FENCE_ALL):
            to_fence = tuple(id_ for id_ in to_fence if id_[1] == slot)
        seen = relay._replace(to_fence=to_fence, change=world.change)
        if not self._holds(Safeguard.FENCE_FIRST):
            yield "finds its number", _with(world, number, seen._replace(phase=Phase.ASKING))
            return
        if not self._holds(Safeguard.FENCED_THEN_FORGOTTEN):
            world = world._replace(unfenced=frozenset())
        first = Phase.FENCING if to_fence else Phase.ASKING
        yield "finds its number", _with(world, number, seen._replace(phase=first))

    def _next(self, relay: Relay) -> Phase:
        return Phase.ASKING if self._holds(Safeguard.FENCE_FIRST) or not relay.positions else Phase.READY

    def _read(self, world: World, relay: Relay) -> Relay:
        """`read_kept`: what is committed, to the end that was asked for, or to what is open first."""
        positions = [0] * self.shards
        for one in world.noted:
            if one.open is None:
                positions[one.shard] = one.position
            elif not self._holds(Safeguard.TO_THE_END):
                break
        phase = Phase.READY
        if not self._holds(Safeguard.FENCE_FIRST) and relay.to_fence:
            phase = Phase.FENCING
        return relay._replace(phase=phase, positions=tuple(positions))

    def _opens(self, world: World, number: int, relay: Relay) -> Iterator[tuple[str, World]]:
        slots, slot = relay.id
        for shard in range(slot, self.shards, slots):
            position = relay.positions[shard] + 1
            if position <= self.rows:
                opened = world._replace(
                    transactions=(*world.transactions, (relay.id, Open(shard, position))),
                    noted=(*world.noted, Noted(shard, position, relay.id)),
                )
                after = relay._replace(phase=Phase.OPEN, row=(shard, position))
                yield f"sends row {position} of shard {shard}", _with(opened, number, after)

    def _ends(self, world: World, number: int, relay: Relay) -> Iterator[tuple[str, World]]:
        transaction = dict(world.transactions).get(relay.id)
        if transaction is None:
            return  # it was aborted for taking too long: the producer learns that it is fenced
        assert relay.row is not None
        shard, position = relay.row
        reached = (*relay.positions[:shard], position, *relay.positions[shard + 1 :])
        ready = relay._replace(phase=Phase.READY, positions=reached, row=None)
        yield "commits", _with(self._committed(world, relay.id), number, ready)
        late = tuple((id_, one._replace(is_ending=True) if id_ == relay.id else one) for id_, one in world.transactions)
        yield (
            "is killed with its request to commit on the way",
            _with(world._replace(transactions=late), number, Relay()),
        )

    def _committed(self, world: World, id_: Id) -> World:
        one = dict(world.transactions)[id_]
        before = world.published[one.shard]
        wrong = ""
        if one.position != before + 1:
            kind = "doubled" if one.position <= before else "hole"
            wrong = f"{kind}: row {one.position} of shard {one.shard} is published after row {before}"
        published = (*world.published[: one.shard], one.position, *world.published[one.shard + 1 :])
        noted = tuple(each._replace(open=None) if each.open == id_ else each for each in world.noted)
        return _ended(world._replace(noted=noted, published=published, wrong=wrong), id_)


def _name(id_: Id) -> str:
    slots, slot = id_
    return f"slot {slot} of {slots}"


def _with(world: World, number: int, relay: Relay) -> World:
    return world._replace(relays=(*world.relays[:number], relay, *world.relays[number + 1 :]))


def _fenced(world: World, id_: Id) -> World:
    """InitProducerId: whoever had the id is fenced, and what it left open is aborted."""
    relays = tuple(one._replace(is_current=one.is_current and one.id != id_) for one in world.relays)
    return _ended(world._replace(relays=relays), id_)


def _ended(world: World, id_: Id) -> World:
    """Return the world without the transaction of an id; what it wrote and did not commit is gone."""
    relays = tuple(one._replace(awaited=one.awaited - {id_}) for one in world.relays)
    transactions = tuple((other, one) for other, one in world.transactions if other != id_)
    noted = _compacted(tuple(one for one in world.noted if one.open != id_))
    return world._replace(relays=relays, transactions=transactions, noted=noted)


def _compacted(noted: tuple[Noted, ...]) -> tuple[Noted, ...]:
    """Leave out what nobody can come to see as the last of its shard."""
    first_open = next((at for at, one in enumerate(noted) if one.open is not None), len(noted))
    seen = {one.shard: at for at, one in enumerate(noted[:first_open])}
    rest = {one.shard: at for at, one in enumerate(noted) if one.open is None}
    kept = [
        one
        for at, one in enumerate(noted)
        if one.open is not None or seen.get(one.shard) == at or (at > first_open and rest[one.shard] == at)
    ]
    return tuple(kept)
