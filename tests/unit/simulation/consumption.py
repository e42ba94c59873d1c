"""The consumer as a model: workers/consuming/ and workers/batches/progress.py, with rebalances, crashes and zombies.

What a batch does to the database is one step here (tests/unit/simulation/transactions.py takes it apart). All that can
be learned from a settled record is that it is settled, and in which order.
"""

from collections.abc import Iterator, Sequence
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
    NO_GAP = "records decided out of order are acknowledged only up to the first undecided one"
    ONE_BATCH = "an organization is in one batch at a time"
    STOP_AFTER_FAILURE = "after a batch that could not be settled, no further batch is started"
    DROP_STALE = "records fetched before a rebalance and taken after it are dropped"
    READ_AGAIN = "an assigned partition is read from its acknowledged offset"


class Reading(NamedTuple):
    """`Progress`: what was taken of a partition since it was assigned and is not passed, and what of it is decided."""

    undecided: Offsets = ()
    ahead: frozenset[int] = frozenset()
    end: int = 0
    position: int = 0

    def taken(self, offsets: Offsets) -> "Reading":
        """Take note of records that are to be decided."""
        return self._replace(undecided=self.undecided + offsets, end=offsets[-1] + 1)

    def settled(self, offsets: Offsets, *, is_gap_seen: bool) -> "Reading":
        """Take note of records that are decided."""
        undecided, ahead = self.undecided, self.ahead | set(offsets)
        while undecided and undecided[0] in ahead:
            ahead -= {undecided[0]}
            undecided = undecided[1:]
        position = undecided[0] if undecided else self.end
        return Reading(undecided, ahead, self.end, position if is_gap_seen else max(self.position, offsets[-1] + 1))


class Lane(NamedTuple):
    """A batch in work, and in which of the worker's assignments it was taken."""

    batch: Batch
    assignment: int


class Worker(NamedTuple):
    """A process: what it believes to be assigned, and what it has fetched, taken, in work, and yet to acknowledge.

    `readings` are of each assignment that something in work is of, the present one last.
    """

    assigned: tuple[bool, ...]
    positions: Offsets
    hand: tuple[int, Offsets, bool] | None = None
    """Fetched, but not yet handed over by FastStream: partition, offsets, and whether before the last rebalance."""
    waiting: tuple[Offsets, ...] = ()
    readings: tuple[tuple[Reading, ...], ...] = ()
    lanes: tuple[Lane, ...] = ()
    busy: frozenset[tuple[int, str]] = frozenset()
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
    """So many records of each partition, which `workers` consume in batches of `batch`, with so many lanes each.

    `owners` has a letter for each record of a partition: whose it is. Without it all are of one organization.
    """

    records: Offsets
    owners: tuple[str, ...] = ()
    workers: int = 1
    lanes: int = 2
    batch: int = 1
    without: frozenset[Safeguard] = frozenset()

    @property
    def partitions(self) -> int:
        """How many partitions there are."""
        return len(self.records)

    def owner(self, partition: int, offset: int) -> str:
        """Whose a record is."""
        return self.owners[partition][offset] if self.owners else "a"

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
        return "order: a record was settled before an earlier one of its organization" if world.overtaken else None

    def is_done(self, world: World) -> bool:
        """All is settled and acknowledged."""
        return world.acknowledged == self.records

    def _begun(self) -> Worker:
        nothing = (0,) * self.partitions
        empty = (Reading(),) * self.partitions
        waiting = ((),) * self.partitions
        return Worker((False,) * self.partitions, nothing, waiting=waiting, readings=(empty,), durable=nothing)

    def _fetches(self, world: World, number: int, worker: Worker) -> Iterator[tuple[str, World]]:
        """FastStream's loop: `getmany`, then, a moment later, `Lanes.submit`, which keeps it until more are welcome."""
        if worker.hand is not None:
            partition, offsets, is_stale = worker.hand
            taken = worker._replace(hand=None)
            if is_stale and Safeguard.DROP_STALE not in self.without:
                yield f"drops {_named(partition, offsets)}, fetched before the rebalance", _with(world, number, taken)
                return
            waiting = _set(worker.waiting, partition, worker.waiting[partition] + offsets)
            now = worker.readings[-1]
            readings = (*worker.readings[:-1], _set(now, partition, now[partition].taken(offsets)))
            taken = self._filled(taken._replace(waiting=waiting, readings=readings))
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
        """`Lanes._fill` and `Waiting.take`: batches of who is in no lane, as long as there are lanes."""
        while not worker.is_ending and len(worker.lanes) < self.lanes:
            batch: list[tuple[int, Offsets]] = []
            room = self.batch
            waiting = worker.waiting
            for partition, offsets in enumerate(waiting):
                free = [offset for offset in offsets if (partition, self.owner(partition, offset)) not in worker.busy]
                if taken := tuple(free[:room]):
                    batch.append((partition, taken))
                    waiting = _set(waiting, partition, tuple(offset for offset in offsets if offset not in taken))
                    room -= len(taken)
            if not batch:
                break
            busy = worker.busy
            if Safeguard.ONE_BATCH not in self.without:
                busy |= self._owners(batch)
            lane = Lane(tuple(batch), len(worker.readings) - 1)
            worker = worker._replace(lanes=(*worker.lanes, lane), waiting=waiting, busy=busy)
        return worker

    def _owners(self, batch: Sequence[tuple[int, Offsets]]) -> set[tuple[int, str]]:
        return {(partition, self.owner(partition, offset)) for partition, offsets in batch for offset in offsets}

    def _begun_early(self, world: World, number: int, worker: Worker) -> World:
        """Without the safeguard: what is in a lane counts as durable before it is."""
        if Safeguard.COMMIT_FIRST not in self.without:
            return world
        durable = worker.durable
        for lane in worker.lanes:
            for partition, offsets in lane.batch:
                durable = _set(durable, partition, offsets[-1] + 1)
        return _with(world, number, worker._replace(durable=durable))

    def _settles(self, world: World, number: int, worker: Worker) -> Iterator[tuple[str, World]]:
        """`Lanes._run`: the batch is durable, or cannot be made so and the process is to end."""
        for lane, (batch, assignment) in enumerate(worker.lanes):
            settled, overtaken, durable = world.settled, world.overtaken, worker.durable
            reading = worker.readings[assignment]
            for partition, offsets in batch:
                for offset in offsets:
                    overtaken |= any(
                        earlier not in settled[partition]
                        for earlier in range(offset)
                        if self.owner(partition, earlier) == self.owner(partition, offset)
                    )
                    settled = _set(settled, partition, settled[partition] | {offset})
                is_gap_seen = Safeguard.NO_GAP not in self.without
                noted = reading[partition].settled(offsets, is_gap_seen=is_gap_seen)
                reading = _set(reading, partition, noted)
                durable = _set(durable, partition, noted.position)
            lanes = worker.lanes[:lane] + worker.lanes[lane + 1 :]
            free = worker._replace(lanes=lanes, busy=worker.busy - self._owners(batch))
            readings = _set(worker.readings, assignment, reading)
            after = _with(world, number, self._filled(_kept(free._replace(durable=durable, readings=readings))))
            told = " and ".join(_named(partition, offsets) for partition, offsets in batch)
            yield f"settles {told}", after._replace(settled=settled, overtaken=overtaken)
            if Safeguard.STOP_AFTER_FAILURE not in self.without:
                failed = _kept(worker._replace(lanes=lanes, is_ending=True))
            else:
                failed = self._filled(_kept(free))
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
        begun = tuple(Reading(end=position, position=position) for position in positions)
        waiting = ((),) * self.partitions
        readings = (*worker.readings, begun)
        return _kept(worker._replace(assigned=mine, positions=positions, hand=hand, waiting=waiting, readings=readings))


def _kept(worker: Worker) -> Worker:
    """Forget the assignments of which nothing is in work any more, but for the present one."""
    used = sorted({lane.assignment for lane in worker.lanes} | {len(worker.readings) - 1})
    lanes = tuple(Lane(lane.batch, used.index(lane.assignment)) for lane in worker.lanes)
    return worker._replace(readings=tuple(worker.readings[one] for one in used), lanes=lanes)


def _with(world: World, number: int, worker: Worker) -> World:
    return world._replace(workers=(*world.workers[:number], worker, *world.workers[number + 1 :]))


def _left(world: World, number: int) -> World:
    return world._replace(members=(*world.members[:number], False, *world.members[number + 1 :]))


def _set(values: tuple[T, ...], index: int, value: T) -> tuple[T, ...]:
    return (*values[:index], value, *values[index + 1 :])


def _named(partition: int, offsets: Offsets) -> str:
    return " and ".join(f"{partition}/{offset}" for offset in offsets)
