"""Every failpoint with the roles that reach it, and what must happen for them to get there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from tests.faults import failpoints
from tests.faults.failpoints import ERROR, ERRORS, FAULT, TELL, Plan
from workers.runtime.roles import Role

CONSUMERS = (Role.PROJECTS, Role.PAYMENT_PROFILES, Role.ADMIN_COMMANDS)
TIMERS = (Role.TIMERS,)
RELAY = (Role.RELAY,)

AT_WORK = {
    CONSUMERS: "lanes.Lanes._run: _process before",
    TIMERS: "timers.Timers._wait: _stopping.wait before",
    RELAY: "relay.Relay._publish: _read after",
}
"""A place that a process reaches once it is working."""


class Event(Enum):
    """What happens to a process from outside."""

    NOTHING = auto()
    TERMINATION = auto()
    """It is told to stop while it is working."""
    REBALANCE = auto()
    """Another process joins its consumer groups."""
    UNHEARD = auto()
    """The database ends the connection that listens."""
    OUSTED = auto()
    """Another relay has the lease."""
    LOCKED = auto()
    """Somebody writes to a shard until the relay waits for it."""


@dataclass(frozen=True)
class Circumstance:
    """What makes a process reach a place."""

    event: Event = Event.NOTHING
    plan: Mapping[str, str] = field(default_factory=dict)
    """What goes wrong at other failpoints first."""
    settings: Mapping[str, str] = field(default_factory=dict)
    after: str | None = None
    """The failpoint that the process has reached when the event happens; by default it is at work."""
    once: str | None = None
    """A failpoint that the process must come to first; what it did before does not count."""


@dataclass(frozen=True)
class Row:
    """A row of the matrix."""

    roles: tuple[Role, ...]
    point: str
    circumstance: Circumstance

    @property
    def after(self) -> str:
        """The failpoint that the process reaches before anything happens to it."""
        return self.circumstance.after or AT_WORK[self.roles]

    def __str__(self) -> str:
        once = f", once at {self.circumstance.once}" if self.circumstance.once else ""
        return f"{'consumers' if self.roles == CONSUMERS else self.roles[0]}: {self.point}{once}"

    def plan(self, action: str) -> Plan:
        """Return what must happen for the process to come there, and what happens then."""
        mine: Plan = {self.point: action}
        if self.circumstance.once is not None:
            mine = {self.circumstance.once: mine}
        return {self.after: TELL, **self.circumstance.plan, **mine}


def rows() -> Iterator[Row]:
    """Yield all rows.

    The batch's places appear twice, for consumers and for timers; those of a Kafka transaction of the relay again for
    one that takes a new watermark with it.
    """
    for point in failpoints.points():
        if point in _NEVER:
            continue
        for roles in _roles(point):
            yield Row(
                roles,
                point,
                next((one for begins, one in _OUT_OF_THE_WAY.items() if point.startswith(begins)), Circumstance()),
            )
        if point.startswith(_WITH_A_WATERMARK):
            yield Row(RELAY, point, replace(_IDLE, once=A_NEW_WATERMARK))


def _roles(point: str) -> Iterator[tuple[Role, ...]]:
    match point.partition(".")[0]:
        case "relay" | "positions" | "packing" | "producer" | "takeover" | "idle" | "watermarks" | "closing":
            yield RELAY
        case "dividing" | "slots" | "telling":
            yield RELAY
        case "timers":
            yield TIMERS
        case "closed":
            yield CONSUMERS
            yield TIMERS
        case "transaction":
            if not point.startswith("transaction.Batches.process_due:"):
                yield CONSUMERS
            if (
                not point.startswith(("transaction.Batches.process:", "transaction.Batches._process: _process "))
                or "(" in point
            ):
                yield TIMERS
        case "lease" | "merging" | "reading" | "role" | "snapshot" | "target" | "working":
            # Of replays, which have a matrix of their own (test_replay_killed.py).
            return
        case "archiving":
            # A matrix of its own (tests/services/archive/test_killed.py).
            return
        case "forgetting" | "maintenance":
            # A matrix of its own (test_maintenance_killed.py).
            return
        case "asking" | "lanes" | "progress" | "start_positions" | "subscription":
            yield CONSUMERS
        case module:
            raise ValueError(f"Which roles come to the failpoints of {module}?")


_STORING = "transaction.Batches._transaction: store before"
_LOADING = "transaction.Batches._transaction: load before"

_LOOKING_UP = "start_positions.Reading._bounds: reading_positions before"
_WAITING = "transaction.Batches._wait: _stopping.wait"

_LOOKING_FOR_WHO_ASKED = "asking.Askers._redriven: kept_askers before"

_IDLE = Circumstance(settings={"WHOPAYS_RELAY_BATCH_ROWS": "4000"})
"""A relay comes to the end of the log."""

A_NEW_WATERMARK = "watermarks.Watermarks.next: producer.partitions_for after"
"""The relay comes here only where it closes more than it told before: its next transaction says so."""
_WITH_A_WATERMARK = (
    "producer.transact: ",
    "producer.TransactionalProducer.commit_transaction: ",
    "relay.Relay._transact: ",
    "relay.Relay._publish: sending after",
    "relay.Relay._publish: _bound.note",
    "takeover.Bound.note: ",
)

WAITING_FOR_A_SHARD = "idle.IdleShards.raise_them: _wait_for before"
_LOCKED = Circumstance(Event.LOCKED, plan={WAITING_FOR_A_SHARD: TELL})
_DIVIDED = Circumstance(settings={"WHOPAYS_RELAY_SLOTS": "2"})
"""The shards are divided anew."""
_NEVER = {
    "slots.Slots.run: listening after": "the listening task is cancelled before, and never comes to an end of its own",
}

_OUT_OF_THE_WAY = {
    "transaction.Batches._process: _process (": Circumstance(plan={_LOADING: FAULT}),
    "transaction.Batches._process: _process ": Circumstance(
        plan={_LOADING: FAULT}, settings={"WHOPAYS_BATCH_MAX_RECORDS": "1"}
    ),
    "transaction.Batches._persist: _wait": Circumstance(plan={_STORING: ERROR}),
    "transaction.Batches._hold: _wait": Circumstance(
        plan={"transaction.Batches._hold: _closed_time.hold before": ERROR}
    ),
    f"{_WAITING} before": Circumstance(plan={_STORING: ERROR}),
    "transaction.Batches._wait": Circumstance(Event.TERMINATION, {_STORING: ERRORS}, after=f"{_WAITING} before"),
    "asking.Askers._redriven: asyncio.sleep": Circumstance(plan={_LOOKING_FOR_WHO_ASKED: ERROR}),
    "lanes.Lanes.join": Circumstance(Event.TERMINATION),
    "lanes.Lanes.end": Circumstance(Event.TERMINATION),
    "subscription._Rebalancing.on_partitions_revoked": Circumstance(Event.REBALANCE),
    "start_positions.Reading._until_done: _wait": Circumstance(
        plan={"start_positions.Reading._bounds: reading_positions before": ERROR}
    ),
    "start_positions.Reading._wait: _stopping.wait before": Circumstance(),
    "start_positions.Reading._wait": Circumstance(Event.TERMINATION),
    "idle.IdleShards.raise_them: _wait_for": _LOCKED,
    "idle.IdleShards._wait_for": _LOCKED,
    "relay.Relay.run: _work after": Circumstance(Event.TERMINATION),
    "relay.Relay._publish: _pause": _IDLE,
    "watermarks.Watermarks.next": _IDLE,
    "relay.Relay._pause: asyncio.wait": _IDLE,
    "slots.Slots.run: _pause (2)": Circumstance(plan={"producer.transact: producer.begin_transaction before": ERROR}),
    "slots.Slots.run: listening": Circumstance(Event.TERMINATION),
    "slots.Slots.run: _end": Circumstance(Event.TERMINATION),
    "slots.Slots._end": Circumstance(Event.TERMINATION),
    "closing.Closing.next: _ends": _DIVIDED,
    "closing.Closing._look_at_others: published_at_least": _DIVIDED,
    "dividing.fence_others: producing": _DIVIDED,
    "dividing.fence_others: note_fenced": _DIVIDED,
    "dividing.fence_others: engine.begin": _DIVIDED,
    "relay.Relay._closing: asking_ends": Circumstance(Event.TERMINATION),
    "relay.Relay._work: _publish after": Circumstance(Event.TERMINATION),
    "relay.Relay._work: _engine.connect": Circumstance(Event.TERMINATION),
    "relay.Relay._work: _bound.note": Circumstance(Event.TERMINATION),
    "relay.Relay._work: _engine.begin": Circumstance(Event.TERMINATION),
    "relay.Relay._work: producing": Circumstance(Event.TERMINATION),
    "relay.Relay._work: _give_up_lease": Circumstance(Event.TERMINATION),
    "relay.Relay._give_up_lease": Circumstance(Event.TERMINATION),
    "producer.producing: producer.client.close": Circumstance(
        Event.TERMINATION, {"producer.producing: producer.stop before": ERROR}
    ),
    "producer.producing: producer.stop": Circumstance(Event.TERMINATION),
    "producer.producing: asyncio.timeout (2)": Circumstance(Event.TERMINATION),
    "slots.Slots._listen: _be_woken_by after": Circumstance(Event.UNHEARD),
    "slots.Slots._listen: listening_connection": Circumstance(Event.UNHEARD),
    "slots.Slots._listen: asyncio.sleep": Circumstance(Event.UNHEARD),
    "slots.Slots._be_woken_by: closed.wait after": Circumstance(Event.UNHEARD),
    "timers.Timers.run: _wait (2)": Circumstance(),
    "timers.Timers.run: _wait": Circumstance(plan={"timers.Timers._due: due before": ERROR}),
    "timers.Timers._wait: _stopping.wait before": Circumstance(),
    "timers.Timers._wait": Circumstance(Event.TERMINATION),
}
"""By the beginnings of their names; the first match counts."""
