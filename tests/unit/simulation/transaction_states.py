"""The states of tests/unit/simulation/transactions.py: the database, and how far each transaction on it has come."""

from enum import StrEnum
from typing import NamedTuple

from tests.unit.simulation.database import Database

TIMER = -1
"""The lane of a process that does what is due, where others have a partition."""


class Head(StrEnum):
    """How the head of the shard stands to one that was seen earlier."""

    SAME = "the same"
    SAME_POSITION = "moved, and no row was appended"
    OTHER = "rows were appended"


class Phase(StrEnum):
    """How far a transaction has come."""

    BEGUN = "not yet locked"
    LOCKED = "the heads are locked, nothing is read"
    LOADED = "all is read and decided"
    HALF = "the first of two transactions is committed"
    COMMITTED = "committed, and not yet confirmed"


class Lane(NamedTuple):
    """A batch in work: records `first` up to `end` of a partition, in the lane of a process.

    `known` is what was loaded; once it is committed, what is left to remember, `head` being how it stands to the
    present one. `asks` says that claimed ids will be asked for; `is_overtaken` that another lane of the process has
    locked since.
    """

    process: int
    partition: int
    first: int
    end: int
    phase: Phase = Phase.BEGUN
    known: Database | None = None
    head: Head = Head.SAME
    asks: bool = False
    is_overtaken: bool = False


class Memory(NamedTuple):
    """What a process remembers of the shard, and how the head that it left stands to the present one."""

    known: Database | None = None
    head: Head | None = None


class World(NamedTuple):
    """The database; what of it is surely on disk; lanes; memories; how many records are confirmed to be durable.

    `orphan` is a transaction whose client is gone, with its COMMIT on the way: what it would leave.
    """

    database: Database
    flushed: Database | None
    lanes: tuple[Lane, ...]
    memories: tuple[Memory, ...]
    durable: tuple[int, ...]
    orphan: Database | None = None


def written(database: Database, seen: Database, after: Database) -> Database:
    """`store`: what a transaction has changed, and nothing else, is written to what is there."""
    changed = {name: new for name, new in after._asdict().items() if new != getattr(seen, name)}
    written = database._replace(**changed)
    return written._replace(newest=max(written.version, database.newest))


def kept(database: Database) -> Database:
    """What a process remembers: not the log, nor what each batch looks up again."""
    return database._replace(log=(), inbox=frozenset(), handled=frozenset())


def holds_lock(lane: Lane) -> bool:
    """Return whether a lane has the heads locked."""
    return lane.phase in (Phase.LOCKED, Phase.LOADED)


def add(world: World, lane: Lane) -> World:
    """Return the world with a lane more."""
    return world._replace(lanes=(*world.lanes, lane))


def order(world: World) -> World:
    """Return the world with its lanes in an order that says nothing."""
    return world._replace(lanes=tuple(sorted(world.lanes, key=lambda lane: lane[:2])))


def remember(world: World, process: int, memory: Memory) -> World:
    """Return the world with another memory of a process."""
    return world._replace(memories=(*world.memories[:process], memory, *world.memories[process + 1 :]))


def name_of(lane: Lane) -> str:
    """Say whose lane it is, and what is in it."""
    if lane.partition == TIMER:
        return f"the timer of process {lane.process + 1}"
    offsets = f"{lane.partition}/{lane.first}" + (f" to {lane.end - 1}" if lane.end - lane.first > 1 else "")
    return f"process {lane.process + 1}, with {offsets},"
