"""The states of tests/unit/simulation/publication.py: the log, the relays, and what Kafka knows and holds."""

from enum import StrEnum
from typing import NamedTuple

Row = tuple[int, ...]
"""A row of the log with its hash: what all rows up to it say. Its position is its length; BEGINNING is empty."""
ABORTED = -1


class Phase(StrEnum):
    """What a relay does next."""

    OFF = "is not running"
    STARTING = "asks for its producer id, which fences others"
    FENCED = "reads the positions"
    CHECKING = "compares them with the log"
    READY = "reads the log"
    SENDING = "sends rows and positions"
    ENDING = "sends EndTxn"
    ENDED = "hears that the transaction is committed"
    NOTING = "writes the positions outside of the transaction"


class Relay(NamedTuple):
    """A relay: how far it believes the log to be published, and the rows of its transaction, some of it sent."""

    phase: Phase = Phase.OFF
    position: Row | None = None
    rows: tuple[Row, ...] = ()
    sent: frozenset[str] = frozenset()
    is_current: bool = False


class Transaction(NamedTuple):
    """What the coordinator knows of a transactional id: whether one is open or being ended, and where it wrote."""

    state: str = "none"
    touched: frozenset[str] = frozenset()


class Written(NamedTuple):
    """A row, or a position, in a topic; of the open transaction of an id unless that is None."""

    row: Row
    open: int | None


class Request(NamedTuple):
    """A request on the way, of a producer whose epoch is the present one of the id."""

    kind: str
    id: int
    rows: tuple[Row, ...] = ()


class World(NamedTuple):
    """The log of a shard, the relays, and Kafka."""

    log: Row = ()
    missing: frozenset[int] = frozenset()
    """Rows that have an id and are not yet committed."""
    restored: int = 0
    relays: tuple[Relay, ...] = ()
    transactions: tuple[Transaction, ...] = ()
    events: tuple[Written, ...] = ()
    positions: tuple[Written, ...] = ()
    network: tuple[Request, ...] = ()
    has_refused: bool = False


def with_relay(world: World, number: int, relay: Relay) -> World:
    """Return the world with another state of a relay."""
    return world._replace(relays=(*world.relays[:number], relay, *world.relays[number + 1 :]))


def ending(world: World, id_: int, state: str) -> World:
    """Return the world with the transaction of an id being committed or aborted."""
    ended = world.transactions[id_]._replace(state=state)
    return world._replace(transactions=(*world.transactions[:id_], ended, *world.transactions[id_ + 1 :]))


def _with_outcome(topic: tuple[Written, ...], id_: int, outcome: int | None) -> tuple[Written, ...]:
    """Return a topic in which the transaction of an id has ended."""
    return tuple(Written(one.row, outcome) if one.open == id_ else one for one in topic)


def _without_aborted(topic: tuple[Written, ...]) -> tuple[Written, ...]:
    """Return a topic without what nobody can see."""
    return tuple(one for one in topic if one.open != ABORTED)


def compacted(topic: tuple[Written, ...]) -> tuple[Written, ...]:
    """Keep what a reader can still come to see as the last: one of each kind in a row is as good as many."""
    kept: list[Written] = []
    for one in topic:
        if kept and kept[-1].open == one.open:
            kept.pop()
        kept.append(one)
    return tuple(kept)


def delivered(world: World, request: Request) -> World | None:
    """Carry out a request of the present epoch; None if Kafka has it come again later, or refuses it."""
    transaction = world.transactions[request.id]
    if request.kind == "EndTxn":
        if transaction.state == "open":
            return ending(world, request.id, "committing")
        return world  # it is committed already, or there is nothing to commit
    if transaction.state not in ("none", "open"):
        return None
    opened = Transaction("open", transaction.touched | {request.kind})
    transactions = (*world.transactions[: request.id], opened, *world.transactions[request.id + 1 :])
    written = tuple(Written(row, request.id) for row in request.rows)
    if request.kind == "events":
        return world._replace(transactions=transactions, events=world.events + written)
    return world._replace(transactions=transactions, positions=world.positions + written)


def marked(world: World, id_: int, topic: str, *, keep_aborted: bool) -> World:
    """The marker that ends a transaction in one topic; when it is the last one, another may begin."""
    transaction = world.transactions[id_]
    touched = transaction.touched - {topic}
    rest = Transaction(transaction.state, touched) if touched else Transaction()
    after = world._replace(transactions=(*world.transactions[:id_], rest, *world.transactions[id_ + 1 :]))
    outcome = None if transaction.state == "committing" else ABORTED
    if topic == "events":
        return after._replace(events=_without_aborted(_with_outcome(world.events, id_, outcome)))
    positions = _with_outcome(world.positions, id_, outcome)
    if not keep_aborted:
        positions = _without_aborted(positions)
    return after._replace(positions=compacted(positions))
