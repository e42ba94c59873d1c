"""What a decision is made of: who asks and when, and what comes of it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.state import Change, Key, PaymentProfile
from schemas.events import Cause, Event
from schemas.outgoing import Outgoing
from schemas.results import REASON_ORDER, Outcome, Violation

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator accepts: the kinds of payment profile (docs/contract.md section 9)."""

    payment_profile_kinds: frozenset[str] = frozenset({"CreditCard"})

    def allows(self, profile: PaymentProfile) -> bool:
        """Tell whether accounts may be paid with this profile."""
        return profile.kind in self.payment_profile_kinds


@dataclass(frozen=True, slots=True)
class Context:
    """When and by what something is decided.

    `now` is the database's clock after the locks, `caused_by` the id of the command or fact, `sender` who asks or
    reports, `passed_on` the attributes that its events carry on.
    """

    now: datetime
    caused_by: str
    sender: str
    is_command: bool
    passed_on: dict[str, str] = field(default_factory=dict)

    def cause(self, reason: str | None = None) -> Cause:
        """Give the cause as events tell it."""
        if self.is_command:
            return Cause(command_id=self.caused_by, by=self.sender, reason=reason)
        return Cause(fact_id=self.caused_by, by=self.sender, reason=reason)

    def outgoing(self, event: Event, about: Key, instant: datetime, sequence: int | None = None) -> Outgoing:
        """Put an event about a project or an account of an organization in its envelope."""
        subject = "/".join(about)
        return Outgoing(
            event=event,
            boundary=about[0],
            subject=subject,
            key=subject.encode(),
            time=instant,
            sequence=sequence,
            causation_id=self.caused_by,
            sender=self.sender,
            passed_on=self.passed_on,
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """What comes of a command. Changes are applied in order; a later one of the same record replaces an earlier."""

    outcome: Outcome
    changes: tuple[Change, ...] = ()
    events: tuple[Outgoing, ...] = ()
    violations: tuple[Violation, ...] = ()
    account: str | None = None
    project: str | None = None
    binding_id: str | None = None


def rejected(violations: Iterable[Violation], *, account: str | None = None, project: str | None = None) -> Decision:
    """Refuse, naming every broken rule in the contract's order."""
    in_order = tuple(sorted(violations, key=lambda broken: REASON_ORDER[broken.reason]))
    return Decision(Outcome.REJECTED, violations=in_order, account=account, project=project)


def after(last: datetime | None, now: datetime) -> datetime:
    """Give the instant of a subject's next event: `now`, or a microsecond past its last one if clocks stepped back."""
    return now if last is None or last < now else last + _MICROSECOND
