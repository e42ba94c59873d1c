"""The relay as a model: relay.py, positions.py and packing.py of workers/publishing/, and Kafka's coordinator.

The lease is left out: any relay may begin at any time, so nothing rests on it. A zombie is a relay that does nothing
for as long as it likes. Epochs are kept as what they mean: whether a producer's is the present one. What Kafka would
refuse for its epoch is taken from the network at once, and aborted records from the topics, where nobody sees them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from tests.unit.simulation.publication_states import (
    ABORTED,
    Phase,
    Relay,
    Request,
    Row,
    Transaction,
    World,
    Written,
    compacted,
    delivered,
    ending,
    marked,
    with_relay,
)


class Safeguard(StrEnum):
    """What makes the relay exact, each of which can be left out."""

    FENCING = "all producers of the slot share one transactional id"
    FENCE_FIRST = "positions are read after fencing"
    SAME_TRANSACTION = "positions are written in the transaction of the rows"
    READ_COMMITTED = "positions are read with read_committed"
    READ_AGAIN = "after an unknown outcome positions are read again, not assumed unchanged"
    READ_AGAIN_THEN = "after an unknown outcome positions are read again, not assumed reached"
    GIVE_UP_FIRST = "a producer is abandoned before aiokafka sends EndTxn again in the same epoch"
    LOCKED_POSITION = "rows are read by a position that was assigned under the lock, not by an id"
    NOT_GONE_BACK = "a log that ends before what is published is refused"
    HASHES = "a log that differs from what is published is refused"


@dataclass(frozen=True)
class Publication:
    """A log of up to `rows` rows, published by `relays` in transactions of up to `batch`; restored up to so often."""

    rows: int = 2
    relays: int = 2
    batch: int = 1
    restores: int = 0
    without: frozenset[Safeguard] = frozenset()

    def initial(self) -> World:
        """An empty log, and nobody to publish it."""
        ids = 1 if self._holds(Safeguard.FENCING) else self.relays
        return World(relays=(Relay(),) * self.relays, transactions=(Transaction(),) * ids)

    def steps(self, world: World) -> Iterator[tuple[str, World]]:
        """Yield what the worker, a relay, Kafka, the network or a fault may do next."""
        if world.has_refused:
            return
        yield from self._log_grows(world)
        for number, relay in enumerate(world.relays):
            for told, after in self._goes_on(world, number, relay):
                yield f"relay {number + 1} {told}", after
            for told, after in self._gives_up(world, number, relay):
                yield f"relay {number + 1} {told}", after
        yield from self._kafka_goes_on(world)

    def violation(self, world: World) -> str | None:
        """What readers of committed records see is the log from its beginning: nothing twice, no hole, nothing else."""
        before: Row = ()
        for row, owner in world.events:
            if owner is not None:
                break  # readers wait until it is known how this one ends
            if len(row) <= len(before):
                return f"doubled: row {len(row)} is published after row {len(before)}"
            if len(row) > len(before) + 1:
                return f"hole: row {len(row)} is published after row {len(before)}"
            if row[:-1] != before:
                return f"other: row {len(row)} continues a log other than the published one"
            before = row
        return "refused: a relay refuses a log that is sound" if world.has_refused and not world.restored else None

    def is_done(self, world: World) -> bool:
        """All of the log is published; or it was restored, and a relay has refused to go on."""
        seen = [row for row, owner in world.events if owner is None]
        is_whole = len(world.log) == self.rows and not world.missing and len(seen) == len(world.events)
        return world.has_refused or (is_whole and seen[-1:] == [world.log])

    def _holds(self, safeguard: Safeguard) -> bool:
        return safeguard not in self.without

    def _id(self, number: int) -> int:
        return 0 if self._holds(Safeguard.FENCING) else number

    def _log_grows(self, world: World) -> Iterator[tuple[str, World]]:
        if len(world.log) < self.rows:
            position = len(world.log) + 1
            longer = world._replace(log=(*world.log, world.restored))
            if self._holds(Safeguard.LOCKED_POSITION):
                yield f"row {position} is committed", longer
            else:
                yield f"row {position} gets its id", longer._replace(missing=world.missing | {position})
        for position in world.missing:
            yield f"row {position} is committed", world._replace(missing=world.missing - {position})
        if world.restored < self.restores:
            for end in range(len(world.log)):
                earlier = world._replace(log=world.log[:end], restored=world.restored + 1)
                yield f"the database is restored to a state with {end} rows", earlier

    def _goes_on(self, world: World, number: int, relay: Relay) -> Iterator[tuple[str, World]]:
        is_fenced = relay.phase in (Phase.SENDING, Phase.ENDING) and not relay.is_current
        if is_fenced:
            yield "is told that it was fenced", with_relay(world, number, Relay())
            return
        match relay.phase:
            case Phase.OFF:
                if self._holds(Safeguard.FENCING) or world.transactions[number].state == "none":
                    at = None if self._holds(Safeguard.FENCE_FIRST) else self._read_positions(world)
                    yield "begins", with_relay(world, number, Relay(Phase.STARTING, at))
            case Phase.STARTING:
                yield from self._fences(world, number, relay)
            case Phase.FENCED:
                at = self._read_positions(world) if relay.position is None else relay.position
                yield (
                    "knows the positions",
                    with_relay(world, number, relay._replace(phase=Phase.CHECKING, position=at)),
                )
            case Phase.CHECKING:
                yield self._checks(world, number, relay)
            case Phase.READY:
                yield from self._reads(world, number, relay)
            case Phase.SENDING:
                yield from self._sends(world, number, relay)
            case Phase.ENDING:
                asked = Request("EndTxn", self._id(number))
                heard = relay._replace(phase=Phase.ENDED)
                if (after := delivered(world, asked)) is not None:
                    yield "has its EndTxn carried out", with_relay(after, number, heard)
            case Phase.ENDED:
                outside = not self._holds(Safeguard.SAME_TRANSACTION)
                next_ = relay._replace(
                    phase=Phase.NOTING if outside else Phase.READY, position=relay.rows[-1], rows=(), sent=frozenset()
                )
                yield "hears that it is committed", with_relay(world, number, next_)
            case Phase.NOTING:
                assert relay.position is not None
                noted = compacted((*world.positions, Written(relay.position, None)))
                ready = relay._replace(phase=Phase.READY)
                yield "writes the positions", with_relay(world._replace(positions=noted), number, ready)

    def _fences(self, world: World, number: int, relay: Relay) -> Iterator[tuple[str, World]]:
        """InitProducerId (`Relay._producer`): a new epoch, but not before what was left open is settled."""
        id_ = self._id(number)
        state = world.transactions[id_].state
        if state == "none":
            fenced = with_relay(self._with_new_epoch(world, id_), number, relay._replace(phase=Phase.FENCED))
            current = fenced.relays[number]._replace(is_current=True)
            yield "gets a new epoch", with_relay(fenced, number, current)
        elif state == "open":
            yield "has what is open aborted", self._with_new_epoch(ending(world, id_, "aborting"), id_)

    def _with_new_epoch(self, world: World, id_: int) -> World:
        relays = tuple(
            relay._replace(is_current=relay.is_current and self._id(number) != id_)
            for number, relay in enumerate(world.relays)
        )
        return world._replace(relays=relays, network=tuple(one for one in world.network if one.id != id_))

    def _read_positions(self, world: World) -> Row:
        """`read_positions`: the last committed one before whatever is open."""
        at: Row = ()
        for row, owner in world.positions:
            if owner is None or not self._holds(Safeguard.READ_COMMITTED):
                at = row
            elif owner != ABORTED:
                break
        return at

    def _checks(self, world: World, number: int, relay: Relay) -> tuple[str, World]:
        """`Relay._check_not_gone_back`."""
        at = relay.position or ()
        if len(world.log) < len(at) and self._holds(Safeguard.NOT_GONE_BACK):
            return "refuses the log: it ends before what is published", world._replace(has_refused=True)
        if len(world.log) >= len(at) and world.log[: len(at)] != at and self._holds(Safeguard.HASHES):
            return "refuses the log: it is another", world._replace(has_refused=True)
        return "finds the log as it was", with_relay(world, number, relay._replace(phase=Phase.READY, position=at))

    def _reads(self, world: World, number: int, relay: Relay) -> Iterator[tuple[str, World]]:
        """`Relay._read` and `reached_by`."""
        at = relay.position or ()
        if len(world.log) < len(at) and self._holds(Safeguard.NOT_GONE_BACK):
            yield "refuses the log: it ends before what is published", world._replace(has_refused=True)
            return
        found = [end for end in range(len(at) + 1, len(world.log) + 1) if end not in world.missing]
        rows = tuple(world.log[:end] for end in found[: self.batch])
        if not rows:
            return
        if rows[0][: len(at)] != at and self._holds(Safeguard.HASHES):
            yield "refuses the log: it does not continue what is published", world._replace(has_refused=True)
            return
        numbers = " and ".join(str(len(row)) for row in rows)
        yield f"reads row {numbers}", with_relay(world, number, relay._replace(phase=Phase.SENDING, rows=rows))

    def _to_send(self, number: int, relay: Relay) -> Iterator[tuple[str, Request]]:
        id_ = self._id(number)
        if "events" not in relay.sent:
            yield "events", Request("events", id_, relay.rows)
        if "positions" not in relay.sent and self._holds(Safeguard.SAME_TRANSACTION):
            yield "positions", Request("positions", id_, relay.rows[-1:])

    def _sends(self, world: World, number: int, relay: Relay) -> Iterator[tuple[str, World]]:
        """`Relay._transact`: AddPartitionsToTxn and Produce for each partition, in any order; all before EndTxn."""
        left = dict(self._to_send(number, relay))
        for topic, request in left.items():
            if (after := delivered(world, request)) is not None:
                phase = Phase.ENDING if len(left) == 1 else Phase.SENDING
                sent = relay._replace(phase=phase, sent=relay.sent | {topic})
                yield f"sends {topic}", with_relay(after, number, sent)

    def _gives_up(self, world: World, number: int, relay: Relay) -> Iterator[tuple[str, World]]:
        """Killed, or out of patience; whatever was sent last may be on the way still."""
        if relay.phase is Phase.OFF:
            return
        on_the_way: list[tuple[Request, ...]] = [()]
        if relay.phase is Phase.SENDING and relay.is_current:
            for _, request in self._to_send(number, relay):
                on_the_way += [(*others, request) for others in on_the_way]
        elif relay.phase is Phase.ENDING and relay.is_current:
            on_the_way.append((Request("EndTxn", self._id(number)),))
        for requests in on_the_way:
            sent = world._replace(network=tuple(sorted({*world.network, *requests})))
            names = " and ".join(request.kind for request in requests)
            told = f" with {names} on the way" if names else ""
            yield f"is killed, or gives up{told}", with_relay(sent, number, Relay())
            if relay.phase in (Phase.SENDING, Phase.ENDING, Phase.ENDED) and not self._holds(Safeguard.READ_AGAIN):
                yield f"gives up{told}", with_relay(sent, number, Relay(Phase.STARTING, relay.position))
            if relay.phase in (Phase.ENDING, Phase.ENDED) and not self._holds(Safeguard.READ_AGAIN_THEN):
                yield f"gives up{told}", with_relay(sent, number, Relay(Phase.STARTING, relay.rows[-1]))
            if relay.phase is Phase.ENDING and requests and not self._holds(Safeguard.GIVE_UP_FIRST):
                yield "waits for the answer to EndTxn in vain, and will send it again", sent

    def _kafka_goes_on(self, world: World) -> Iterator[tuple[str, World]]:
        for request in world.network:
            rest = world._replace(network=tuple(one for one in world.network if one != request))
            if (after := delivered(rest, request)) is not None:
                yield f"{request.kind} arrives late", after
        for id_, transaction in enumerate(world.transactions):
            for topic in sorted(transaction.touched):
                if transaction.state in ("committing", "aborting"):
                    yield (
                        f"the transaction ends in {topic}: {transaction.state}",
                        marked(world, id_, topic, keep_aborted=not self._holds(Safeguard.READ_COMMITTED)),
                    )
            if transaction.state == "open":
                aborted = self._with_new_epoch(ending(world, id_, "aborting"), id_)
                yield "the coordinator aborts what has been open for too long", aborted
