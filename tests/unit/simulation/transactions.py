"""The batch transaction as a model: workers/batches/transaction.py with shards, memory, load and store of db/.

All records concern one shard, the worst case. What the consumer promises (consumption.py) is assumed:
a partition's records are first settled in order; but any process may have any of them in work again at any time,
several processes at once, since offsets may lag and a zombie does not know that it is one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from tests.unit.simulation.database import (
    FAULT,
    UNBOUND,
    Bind,
    Database,
    Record,
    Row,
    decided,
    is_answered,
    log_violation,
)
from tests.unit.simulation.transaction_states import (
    TIMER,
    Head,
    Lane,
    Memory,
    Phase,
    World,
    add,
    holds_lock,
    kept,
    name_of,
    order,
    remember,
    written,
)


class Safeguard(StrEnum):
    """What keeps a record from being lost or doubled, each of which can be left out."""

    INBOX = "claimed ids are in the inbox, in the same transaction"
    HANDLED = "records that claim no id are in `handled_records`, in the same transaction"
    LOCK = "a transaction locks the heads of its shards before it reads"
    FENCED_MEMORY = "memory is used only if the head has not moved since"
    HEAD_MOVES = "the head moves with every transaction, even if nothing is published"
    OVERTAKEN = "a transaction leaves no memory behind if another of its process has entered the shard since"
    ONE_TRANSACTION = "superseding ends one binding and begins the next in the same transaction"
    STILL_DUE = "due work is checked again under the lock"
    SYNCHRONOUS = "a commit is on disk before it is confirmed (`synchronous_commit`)"


@dataclass(frozen=True)
class Transactions:
    """`partitions` of records, of which `lanes` (process and partition, or TIMER) may have up to `batch` in work."""

    partitions: tuple[tuple[Record, ...], ...]
    lanes: tuple[tuple[int, int], ...]
    batch: int = 1
    is_due: bool = False
    without: frozenset[Safeguard] = frozenset()

    def initial(self) -> World:
        """Nothing is bound, and nothing is in work."""
        database = Database(due=self.is_due)
        processes = 1 + max(process for process, _ in self.lanes)
        flushed = None if self._holds(Safeguard.SYNCHRONOUS) else database
        return World(database, flushed, (), (Memory(),) * processes, (0,) * len(self.partitions))

    def steps(self, world: World) -> Iterator[tuple[str, World]]:
        """Yield what a process, the database, or a fault may do next."""
        for process, partition in self.lanes:
            if not any((lane.process, lane.partition) == (process, partition) for lane in world.lanes):
                for lane in self._batches(world, process, partition):
                    yield f"{name_of(lane)} begins", order(world._replace(lanes=(*world.lanes, lane)))
        for lane in world.lanes:
            others = tuple(one for one in world.lanes if one is not lane)
            for told, after in self._goes_on(world._replace(lanes=others), lane):
                yield f"{name_of(lane)} {told}", order(after)
        if world.orphan is not None:
            committed = self._committed(world._replace(orphan=None), world.orphan)
            yield "the COMMIT of the process that is gone arrives late, and succeeds", committed
            yield "the transaction of the process that is gone is rolled back", world._replace(orphan=None)
        for process in range(len(world.memories)):
            for told, after in self._killed(world, process):
                yield f"process {process + 1} is killed{told}", after
        if world.flushed is not None:
            yield "the log of PostgreSQL is flushed", world._replace(flushed=world.database)
            if world.flushed != world.database:
                # Every client loses its connection, and its transaction.
                lost = world._replace(database=world.flushed, lanes=(), memories=(Memory(),) * len(world.memories))
                yield "PostgreSQL crashes, and every process with it", lost

    def violation(self, world: World) -> str | None:
        """No promise about the log is broken, and what is confirmed is there."""
        for records, confirmed in zip(self.partitions, world.durable, strict=True):
            for record in records[:confirmed]:
                if not is_answered(world.database, record):
                    return f"lost: {record.name} was confirmed as durable, but is not in the database"
        return log_violation(world.database, self.partitions)

    def is_done(self, world: World) -> bool:
        """Every record is answered, and what was due is done."""
        answered = (is_answered(world.database, record) for records in self.partitions for record in records)
        return all(answered) and not world.database.due

    def _holds(self, safeguard: Safeguard) -> bool:
        return safeguard not in self.without

    def _batches(self, world: World, process: int, partition: int) -> Iterator[Lane]:
        """The consumer hands over the next records, or, after a crash or a rebalance, some that were settled before."""
        if partition == TIMER:
            if world.database.due:  # workers/timers.py looks without a lock
                yield Lane(process, partition, 0, 0)
            return
        records = self.partitions[partition]
        for first in range(world.durable[partition] + 1):
            for end in range(first + 1, min(first + self.batch, len(records)) + 1):
                yield Lane(process, partition, first, end)
                if any(isinstance(record, Bind) for record in records[first:end]):
                    # Which batches ask is a matter of speed (`_WARY_BATCHES`), so any may.
                    yield Lane(process, partition, first, end, asks=True)

    def _goes_on(self, world: World, lane: Lane) -> Iterator[tuple[str, World]]:
        """`Batches._transaction`, step by step; the lane is not among those of this world."""
        match lane.phase:
            case Phase.BEGUN:
                is_free = world.orphan is None and not any(holds_lock(one) for one in world.lanes)
                if is_free or not self._holds(Safeguard.LOCK):
                    yield "locks the heads", self._entered(world, lane)
            case Phase.LOCKED:
                remembered = world.memories[lane.process].known
                # Without the lock the head was read earlier than all else, as it would be here.
                known = (remembered or world.database)._replace(log=world.database.log)
                claims = world.database
                seen = known._replace(inbox=claims.inbox, handled=claims.handled)
                yield "loads", add(world, lane._replace(phase=Phase.LOADED, known=seen))
            case Phase.LOADED:
                yield from self._commits(world, lane)
            case Phase.HALF:
                half = world.database._replace(payer=lane.known.payer if lane.known else UNBOUND)
                committed = world._replace(database=half)
                yield "commits the second half", add(committed, lane._replace(phase=Phase.COMMITTED, head=Head.SAME))
            case Phase.COMMITTED:
                yield "is told so, and all of it is durable", self._left(world, lane)
                again = lane._replace(phase=Phase.BEGUN, known=None, head=Head.SAME, is_overtaken=False)
                yield "is not told so, and tries again", add(world, again)

    def _entered(self, world: World, lane: Lane) -> World:
        """`Memory.enter`: forget the shard if another has written there."""
        memory = world.memories[lane.process]
        is_exact = memory.head is Head.SAME
        if not self._holds(Safeguard.FENCED_MEMORY):
            is_exact = memory.head is not None
        known = memory.known if is_exact else None
        lanes = tuple(one._replace(is_overtaken=True) if one.process == lane.process else one for one in world.lanes)
        entered = remember(world._replace(lanes=lanes), lane.process, Memory(known))
        return add(entered, lane._replace(phase=Phase.LOCKED, is_overtaken=False))

    def _commits(self, world: World, lane: Lane) -> Iterator[tuple[str, World]]:
        seen = lane.known
        assert seen is not None
        again = lane._replace(phase=Phase.BEGUN, known=None)
        yield "loses its connection, is rolled back and tries again", add(world, again)
        if len(seen.log) != len(world.database.log):
            # Of two that did not wait for each other one finds its position taken (`log_pkey`): a fault, not a delay.
            records = self._records(lane)
            faults = tuple(Row(FAULT, record.name) for record in records)
            dead = world.database._replace(log=world.database.log + faults)
            yield "finds its place in the log taken, and dead-letters its records", self._committed(world, dead)
            return
        after = written(world.database, seen, self._after(seen, lane))
        if not lane.asks and self._holds(Safeguard.INBOX) and self._claimed_before(world.database, lane):
            yield "finds an id taken, and will ask for such from now on", add(world, again._replace(asks=True))
            return
        if not self._holds(Safeguard.ONE_TRANSACTION) and seen.payer not in (UNBOUND, after.payer):
            half = self._committed(world, after._replace(payer=UNBOUND))
            yield "commits the first half", add(half, lane._replace(phase=Phase.HALF, known=after))
            return
        committed = lane._replace(phase=Phase.COMMITTED, known=after, head=Head.SAME)
        yield "commits", add(self._committed(world, after), committed)
        if world.orphan is None:
            yield (
                "loses its connection with COMMIT on the way, and tries again",
                add(world._replace(orphan=after), again),
            )

    def _after(self, seen: Database, lane: Lane) -> Database:
        """Fold the batch: what the transaction leaves, if it commits."""
        if lane.partition == TIMER:
            if seen.due or not self._holds(Safeguard.STILL_DUE):
                return seen._replace(due=False, log=(*seen.log, Row("timer", "what was due")))
            return seen
        after = seen if lane.asks else seen._replace(inbox=frozenset())
        for record in self._records(lane):
            after = decided(after, record)
        inbox = after.inbox | seen.inbox if self._holds(Safeguard.INBOX) else frozenset[str]()
        handled = after.handled if self._holds(Safeguard.HANDLED) else frozenset[str]()
        return after._replace(inbox=inbox, handled=handled)

    def _claimed_before(self, database: Database, lane: Lane) -> bool:
        return any(record.name in database.inbox for record in self._records(lane))

    def _records(self, lane: Lane) -> tuple[Record, ...]:
        return () if lane.partition == TIMER else self.partitions[lane.partition][lane.first : lane.end]

    def _committed(self, world: World, after: Database) -> World:
        """The heads have moved, for all who saw them before."""
        appended = len(after.log) != len(world.database.log)

        def moved(head: Head | None) -> Head | None:
            if head is None or head is Head.OTHER:
                return head
            if appended:
                return Head.OTHER
            return Head.SAME_POSITION if self._holds(Safeguard.HEAD_MOVES) else head

        memories = tuple(memory._replace(head=moved(memory.head)) for memory in world.memories)
        lanes = tuple(
            lane._replace(head=moved(lane.head) or Head.SAME) if lane.phase is Phase.COMMITTED else lane
            for lane in world.lanes
        )
        return world._replace(database=after, memories=memories, lanes=lanes)

    def _left(self, world: World, lane: Lane) -> World:
        """`Memory.leave`, and `Lanes._run`: the batch is durable."""
        if lane.partition != TIMER:
            durable = list(world.durable)
            durable[lane.partition] = max(durable[lane.partition], lane.end)
            world = world._replace(durable=tuple(durable))
        if lane.is_overtaken and self._holds(Safeguard.OVERTAKEN):
            return world
        assert lane.known is not None
        return remember(world, lane.process, Memory(kept(lane.known), lane.head))

    def _killed(self, world: World, process: int) -> Iterator[tuple[str, World]]:
        gone = [lane for lane in world.lanes if lane.process == process]
        rest = tuple(lane for lane in world.lanes if lane.process != process)
        after = remember(world._replace(lanes=rest), process, Memory())
        if gone or world.memories[process] != Memory():
            yield "", after
        for lane in gone:
            if lane.phase is Phase.LOADED and world.orphan is None and lane.known is not None:
                left = written(world.database, lane.known, self._after(lane.known, lane))
                is_refused = not lane.asks and self._claimed_before(world.database, lane)
                if not is_refused and len(lane.known.log) == len(world.database.log):
                    yield " with a COMMIT on the way", after._replace(orphan=left)
