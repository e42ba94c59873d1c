"""The consumer as a model: subscription.py and lanes.py of workers/consuming/, with rebalances, crashes and zombies.

What a batch does to the database is one step here (tests/unit/simulation/transactions.py takes it apart). All that can
be learned from a settled record is that it is settled, and in which order.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import NamedTuple, TypeVar

T = TypeVar("T")
Offsets = tuple[int, ...]
"""One for each partition."""
Batch = tuple[tuple[int, Offsets], ...]
"""Partitions with the offsets of their records."""


class Safeguard(StrEnum):
    """What the consumer does so that nothing is lost and nothing overtakes; each can be left out."""

    COMMIT_FIRST = "a record is acknowledged after its commit"
    ONLY_DURABLE = "offsets are acknowledged only as far as everything before them is durable"
    ONE_LANE = "a partition is in one lane at a time"
    STOP_AFTER_FAILURE = "nothing after a batch that could not be settled is started"
    DROP_STALE = "records that were fetched before a rebalance and taken after it are dropped"
    READ_AGAIN = "an assigned partition is read from its acknowledged offset"


class Worker(NamedTuple):
    """A process: what it believes to be assigned, and what it has fetched, taken, in work, and yet to acknowledge."""

    assigned: tuple[bool, ...]
    positions: Offsets
    hand: tuple[int, Offsets, bool] | None = None
    """Fetched, but not yet handed over by FastStream: partition, offsets, and whether before the last rebalance."""
    waiting: tuple[Offsets, ...] = ()
    lanes: tuple[Batch, ...] = ()
    busy: frozenset[int] = frozenset()
    durable: Offsets = ()
    is_ending: bool = False


class World(NamedTuple):
    """The workers, the group's acknowledged offsets, and what is settled: how many from the first on, and beyond."""

    workers: tuple[Worker, ...]
    members: tuple[bool, ...]
    acknowledged: Offsets
    settled: tuple[frozenset[int], ...]
    overtaken: bool = False


@dataclass(frozen=True)
class Consumption:
    """So many records of each partition, which `workers` consume in batches of `batch`, with so many lanes each."""

    records: Offsets
    workers: int = 1
    lanes: int = 2
    batch: int = 1
    without: frozenset[Safeguard] = frozenset()

    @property
    def partitions(self) -> int:
        """How many partitions there are."""
        return len(self.records)

    def initial(self) -> World:
        """Nobody is a member of the group, and nothing is read."""
        nothing = (0,) * self.partitions
        empty = (frozenset[int](),) * self.partitions
        return World((self._begun(),) * self.workers, (False,) * self.workers, nothing, empty)

    def steps(self, world: World) -> Iterator[tuple[str, World]]:
        """Yield what a worker, the group's coordinator, or a fault may do next."""
        nobody, nothing = (False,) * self.partitions, (0,) * self.partitions
        for number, worker in enumerate(world.workers):
            name = f"worker {number + 1}"
            yield from ((f"{name} {told}", after) for told, after in self._fetches(world, number, worker))
            yield from ((f"{name} {told}", after) for told, after in self._settles(world, number, worker))
            yield from ((f"{name} {told}", after) for told, after in self._acknowledges(world, number, worker))
            if worker != self._begun():
                yield f"{name} is killed", _left(_with(world, number, self._begun()), number)
            if world.members[number]:
                zombie = worker._replace(assigned=nobody, positions=nothing)
                yield f"{name} is taken for dead by the group, and goes on", _left(_with(world, number, zombie), number)
        yield from self._assigns(world)

    def violation(self, world: World) -> str | None:
        """An acknowledged record that is not settled is lost; a record that overtakes another breaks the order."""
        for partition, offset in enumerate(world.acknowledged):
            if not set(range(offset)) <= world.settled[partition]:
                return f"lost: partition {partition} is acknowledged up to {offset}, but not all before that is settled"
        return "order: a record was settled before an earlier one of its partition" if world.overtaken else None

    def is_done(self, world: World) -> bool:
        """All is settled and acknowledged."""
        return world.acknowledged == self.records

    def _begun(self) -> Worker:
        nothing = (0,) * self.partitions
        return Worker((False,) * self.partitions, nothing, waiting=((),) * self.partitions, durable=nothing)

    def _fetches(self, world: World, number: int, worker: Worker) -> Iterator[tuple[str, World]]:
        """FastStream's loop: `getmany`, then, a moment later, `Lanes.submit`, which keeps it until more are welcome."""
        if worker.hand is not None:
            partition, offsets, is_stale = worker.hand
            taken = worker._replace(hand=None)
            if is_stale and Safeguard.DROP_STALE not in self.without:
                yield f"drops {_named(partition, offsets)}, fetched before the rebalance", _with(world, number, taken)
                return
            waiting = _set(worker.waiting, partition, worker.waiting[partition] + offsets)
            taken = self._filled(taken._replace(waiting=waiting))
            yield f"takes {_named(partition, offsets)}", self._begun_early(_with(world, number, taken), number, taken)
        elif (not worker.is_ending and len(worker.lanes) < self.lanes) or sum(map(len, worker.waiting)) < self.batch:
            for partition in range(self.partitions):
                first = worker.positions[partition]
                offsets = tuple(range(first, min(first + self.batch, self.records[partition])))
                if worker.assigned[partition] and offsets:
                    positions = _set(worker.positions, partition, offsets[-1] + 1)
                    fetched = worker._replace(positions=positions, hand=(partition, offsets, False))
                    yield f"fetches {_named(partition, offsets)}", _with(world, number, fetched)

    def _filled(self, worker: Worker) -> Worker:
        """`Lanes._fill` and `_next`: batches of partitions that are in no lane, as long as there are lanes."""
        while not worker.is_ending and len(worker.lanes) < self.lanes:
            batch: list[tuple[int, Offsets]] = []
            room = self.batch
            waiting = worker.waiting
            for partition, offsets in enumerate(waiting):
                if offsets and room and partition not in worker.busy:
                    batch.append((partition, offsets[:room]))
                    waiting = _set(waiting, partition, offsets[room:])
                    room -= len(offsets[:room])
            if not batch:
                break
            busy = worker.busy
            if Safeguard.ONE_LANE not in self.without:
                busy |= {partition for partition, _ in batch}
            worker = worker._replace(lanes=(*worker.lanes, tuple(batch)), waiting=waiting, busy=busy)
        return worker

    def _begun_early(self, world: World, number: int, worker: Worker) -> World:
        """Without the safeguard: what is in a lane counts as durable before it is."""
        if Safeguard.COMMIT_FIRST not in self.without:
            return world
        durable = worker.durable
        for batch in worker.lanes:
            for partition, offsets in batch:
                durable = _set(durable, partition, offsets[-1] + 1)
        return _with(world, number, worker._replace(durable=durable))

    def _settles(self, world: World, number: int, worker: Worker) -> Iterator[tuple[str, World]]:
        """`Lanes._run`: the batch is durable, or cannot be made so and the process is to end."""
        for lane, batch in enumerate(worker.lanes):
            settled, overtaken, durable = world.settled, world.overtaken, worker.durable
            for partition, offsets in batch:
                for offset in offsets:
                    overtaken |= offset > 0 and offset - 1 not in settled[partition]
                    settled = _set(settled, partition, settled[partition] | {offset})
                durable = _set(durable, partition, offsets[-1] + 1)
            partitions = {partition for partition, _ in batch}
            lanes = worker.lanes[:lane] + worker.lanes[lane + 1 :]
            free = worker._replace(lanes=lanes, busy=worker.busy - partitions)
            after = _with(world, number, self._filled(free._replace(durable=durable)))
            told = " and ".join(_named(partition, offsets) for partition, offsets in batch)
            yield f"settles {told}", after._replace(settled=settled, overtaken=overtaken)
            if Safeguard.STOP_AFTER_FAILURE not in self.without:
                failed = worker._replace(lanes=lanes, is_ending=True)
            else:
                failed = self._filled(free)
            yield f"cannot settle {told}", _with(world, number, failed)

    def _acknowledges(self, world: World, number: int, worker: Worker) -> Iterator[tuple[str, World]]:
        """`Lanes._acknowledge_durable` and `Subscription.acknowledge`: of what is assigned; Kafka refuses the rest."""
        if not any(worker.durable):
            return
        acknowledged = world.acknowledged
        for partition, offset in enumerate(worker.durable):
            if world.members[number] and worker.assigned[partition]:
                if Safeguard.ONLY_DURABLE in self.without:
                    offset = worker.positions[partition]  # noqa: PLW2901 (what FastStream's own `ack` does)
                if offset:
                    acknowledged = _set(acknowledged, partition, offset)
        noted = _with(world, number, worker._replace(durable=(0,) * self.partitions))
        yield f"acknowledges, which makes it {acknowledged}", noted._replace(acknowledged=acknowledged)

    def _assigns(self, world: World) -> Iterator[tuple[str, World]]:
        """A rebalance: `_Rebalancing.on_partitions_revoked` in each that takes part, then an assignment to some.

        Who takes no part learns of it later, when it takes part in another. What is in work may still be in work:
        `join` waits for it, but not for ever.
        """
        for owners in product(range(self.workers), repeat=self.partitions):
            for members in product((False, True), repeat=self.workers):
                if not all(members[owner] for owner in owners):
                    continue
                after = world._replace(members=members)
                for number in range(self.workers):
                    if members[number] and not world.workers[number].is_ending:
                        mine = tuple(owner == number for owner in owners)
                        after = _with(after, number, self._reassigned(world, number, mine))
                    elif members[number]:
                        break
                else:
                    shares = ", ".join(
                        f"partition {partition} to worker {owner + 1}" for partition, owner in enumerate(owners)
                    )
                    yield f"the group is rebalanced: {shares}", after

    def _reassigned(self, world: World, number: int, mine: tuple[bool, ...]) -> Worker:
        worker = world.workers[number]
        positions = tuple(
            (offset if Safeguard.READ_AGAIN not in self.without else max(offset, position)) if is_mine else 0
            for is_mine, offset, position in zip(mine, world.acknowledged, worker.positions, strict=True)
        )
        hand = None if worker.hand is None else (*worker.hand[:2], True)
        return worker._replace(assigned=mine, positions=positions, hand=hand, waiting=((),) * self.partitions)


def _with(world: World, number: int, worker: Worker) -> World:
    return world._replace(workers=(*world.workers[:number], worker, *world.workers[number + 1 :]))


def _left(world: World, number: int) -> World:
    return world._replace(members=(*world.members[:number], False, *world.members[number + 1 :]))


def _set(values: tuple[T, ...], index: int, value: T) -> tuple[T, ...]:
    return (*values[:index], value, *values[index + 1 :])


def _named(partition: int, offsets: Offsets) -> str:
    return " and ".join(f"{partition}/{offset}" for offset in offsets)
