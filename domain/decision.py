"""A decision's inputs, the clock and the context, and its result."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from domain.state import Change, Key, Origin
from schemas.events import Cause, Event
from schemas.immutable import dataclass
from schemas.outgoing import Outgoing
from schemas.policy import OperatorPolicy
from schemas.results import REASON_ORDER, Outcome, Violation

_MICROSECOND = timedelta(microseconds=1)


class Clock:
    """Returns strictly increasing instants, starting at the database's time: later decisions get later instants."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.last = now - _MICROSECOND

    def next(self) -> datetime:
        """Return an instant later than any returned before."""
        self.last += _MICROSECOND
        return self.last


@dataclass(frozen=True, slots=True)
class Context:
    """What a decision depends on besides the state: the clock, the operator's policy, and its cause.

    `origin` is the command or fact that caused it, `source` the `source` of a command's envelope.
    """

    clock: Clock
    policy: OperatorPolicy
    origin: Origin
    is_command: bool
    source: str = ""

    @property
    def now(self) -> datetime:
        """The database's time after taking the locks: anything at or before this is due."""
        return self.clock.now

    @property
    def sender(self) -> str:
        """The sender of the command or fact."""
        return self.origin.sender

    def cause(self, reason: str | None = None) -> Cause:
        """Return the cause as events state it."""
        if self.is_command:
            return Cause(command_id=self.origin.caused_by, by=self.sender, reason=reason)
        return Cause(fact_id=self.origin.caused_by, by=self.sender, reason=reason)

    def outgoing(self, event: Event, about: Key, instant: datetime, sequence: int | None = None) -> Outgoing:
        """Put an event about a project or an account of an organization in an envelope."""
        return outgoing_of(event, about, instant, self.origin, sequence)


@dataclass(frozen=True, slots=True)
class Decision:
    """The result of a command. Changes are applied in order; a later change of a record replaces an earlier one.

    Another `deferred_count` events are published later, by a fan-out; `deferred` are the first of them.
    """

    outcome: Outcome
    changes: tuple[Change, ...] = ()
    events: tuple[Outgoing, ...] = ()
    violations: tuple[Violation, ...] = ()
    binding_id: str | None = None
    project_count: int | None = None
    deferred: tuple[Outgoing, ...] = ()
    deferred_count: int = 0


def outgoing_of(event: Event, about: Key, instant: datetime, origin: Origin, sequence: int | None = None) -> Outgoing:
    """Put an event about a project or an account of an organization in an envelope."""
    subject = "/".join(about)
    return Outgoing(
        event=event,
        boundary=about[0],
        subject=subject,
        key=subject.encode(),
        time=instant,
        sequence=sequence,
        causation_id=origin.caused_by,
        sender=origin.sender,
        passed_on=origin.passed_on,
    )


def rejected(violations: Iterable[Violation]) -> Decision:
    """Return a rejection that names every broken rule in the contract's order."""
    in_order = tuple(sorted(violations, key=lambda broken: REASON_ORDER[broken.reason]))
    return Decision(Outcome.REJECTED, violations=in_order)
