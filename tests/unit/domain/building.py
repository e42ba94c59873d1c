"""An organization's service in memory: say something to it, look at what it answers and tells."""

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from domain.book import Book
from domain.decision import Clock
from domain.fold import fold
from domain.messages import Answered, Folded, Message
from schemas.events import (
    AccountChanged,
    AccountPhaseChanged,
    BindingChanged,
    Event,
    Phase,
    ProjectBillingNotice,
)
from schemas.facts import PaymentProfileChanged, ProjectChanged
from schemas.outgoing import Outgoing
from schemas.policy import OperatorPolicy
from schemas.results import CommandCompleted, Outcome
from tests.support.copying import copied
from tests.support.whole_books import prepare
from tests.unit.schemas.building import command, fact, structured

NOON = datetime(2027, 1, 31, 12, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
READY: dict[str, Any] = {"currencyCode": "USD", "paymentTerms": {}, "paymentProfile": "card-1"}
_LOOKED_UP = ("_turning", "_emptied", "_reported")

E = TypeVar("E", bound=Event)


@dataclass(frozen=True)
class Said:
    """What came of one message."""

    folded: Folded

    @property
    def outgoing(self) -> list[Outgoing]:
        """Everything that goes out."""
        return self.folded.outgoing

    @property
    def is_stale(self) -> bool:
        """Nothing came of it but a count."""
        return self.folded.stale_facts == 1 and not self.folded.outgoing

    @property
    def result(self) -> CommandCompleted:
        """The one result, which is the last to go out."""
        (result,) = self.all(CommandCompleted)
        assert self.outgoing[-1].event is result
        return result

    @property
    def outcome(self) -> Outcome:
        """The outcome of the one result."""
        return self.result.outcome

    @property
    def reasons(self) -> list[str]:
        """The broken rules in the order of the result."""
        return [str(violation.reason) for violation in self.result.violations]

    @property
    def told(self) -> list[str]:
        """The names of the events, without the result."""
        return [one.event.name() for one in self.outgoing if not isinstance(one.event, CommandCompleted)]

    def all(self, kind: type[E]) -> list[E]:
        """Return the events of one kind, in order."""
        return [one.event for one in self.outgoing if isinstance(one.event, kind)]

    def one(self, kind: type[E]) -> E:
        """Return the only event of one kind."""
        (event,) = self.all(kind)
        return event

    def outgoing_of(self, kind: type[Event]) -> list[Outgoing]:
        """Return the events of one kind with their envelopes."""
        return [one for one in self.outgoing if isinstance(one.event, kind)]

    @property
    def phases(self) -> list[str]:
        """The phases entered, in order."""
        return [str(event.phase) for event in self.all(AccountPhaseChanged)]

    @property
    def notices(self) -> list[tuple[str, str]]:
        """Who was told what: project and kind."""
        return [(event.project, str(event.kind)) for event in self.all(ProjectBillingNotice)]

    @property
    def binding(self) -> BindingChanged:
        """The only change of a payer."""
        return self.one(BindingChanged)

    @property
    def account(self) -> AccountChanged:
        """The only state of an account that was told."""
        return self.one(AccountChanged)


class Desk:
    """Keeps a book; every message is folded on its own, at `now`, under an id of its own unless one is given.

    As a shard does, it gives no instant twice: if `now` stepped back, or did not move, it continues from its last.
    """

    def __init__(self, policy: OperatorPolicy | None = None, now: datetime = NOON) -> None:
        self.book = Book()
        self.answered = Answered()
        self.policy = policy or OperatorPolicy()
        self.now = now
        self.last = now - MICROSECOND
        self._ids = (f"m-{number}" for number in itertools.count(1))

    def hear(self, *messages: Message) -> Said:
        """Fold messages as one batch."""
        clock = Clock(max(self.now, self.last + MICROSECOND))
        prepare(self.book, messages)
        folded = fold(messages, self.book, self.answered, self.policy, clock)
        self.last = clock.last
        return Said(folded)

    def command(self, name: str, envelope: dict[str, Any] | None = None, **members: Any) -> Said:
        """Send a command of acme, by alice unless its envelope says otherwise."""
        record = structured(name, {"organization": "acme"} | members, **{"id": next(self._ids)} | (envelope or {}))
        return self.hear(command(record, self.policy))

    def bind(self, project: str = "p1", account: str = "a", **members: Any) -> Said:
        """Send a BindProject."""
        return self.command("BindProject", project=project, account=account, **members)

    def create(self, account: str = "a", **members: Any) -> Said:
        """Send a CreateAccount."""
        return self.command("CreateAccount", account=account, **members)

    def attach(self, payment_profile: str = "card-1", account: str = "a", **members: Any) -> Said:
        """Send an AttachPaymentProfile."""
        return self.command("AttachPaymentProfile", account=account, paymentProfile=payment_profile, **members)

    def suspend(self, account: str = "a", reason: str = "PaymentFailure", **members: Any) -> Said:
        """Send a SuspendAccount."""
        return self.command("SuspendAccount", account=account, reason=reason, **members)

    def project(self, state: str = "Active", version: int = 1, project: str = "p1", **members: Any) -> Said:
        """Report a project of acme."""
        said = {"organization": "acme", "project": project, "state": state, "version": version} | members
        record = structured("ProjectChanged", said, id=next(self._ids), authid=None, source="/rm")
        return self.hear(fact(record, ProjectChanged))

    def profile(self, state: str = "Valid", version: int = 1, payment_profile: str = "card-1", **members: Any) -> Said:
        """Report a payment profile of acme, a credit card unless told otherwise."""
        said = {"organization": "acme", "paymentProfile": payment_profile, "kind": "CreditCard", "state": state}
        record = structured("PaymentProfileChanged", said | {"version": version} | members, id=next(self._ids))
        return self.hear(fact(record, PaymentProfileChanged))

    def payer(self, project: str = "p1") -> str | None:
        """Return the account that pays for a project of acme now."""
        known = self.book.project("acme", project)
        return known.account if known else None

    def phase(self, account: str = "a") -> Phase:
        """Return the phase of an account of acme."""
        known = self.book.account("acme", account)
        assert known is not None
        return known.phase

    def memory(self) -> dict[str, Any]:
        """Return all that the book knows, to compare; that something was looked up and is not there does not count."""
        known = {name: part for name, part in vars(self.book).items() if name not in _LOOKED_UP}
        present = {
            name: {key: value for key, value in part.items() if value not in (None, False)}
            if isinstance(part, dict)
            else part
            for name, part in known.items()
        }
        return copied(present) | {"answered": copied(self.answered)}


def ready_desk() -> Desk:
    """Return two Ready accounts, a and b, and two Active projects, p1 and p2, without payers."""
    desk = Desk()
    desk.profile()
    desk.create("a", **READY)
    desk.create("b", **READY)
    desk.project(uid="u-1")
    desk.project(project="p2", uid="u-2")
    return desk


def bound_desk() -> Desk:
    """Return what `ready_desk` does, with a as the payer of p1."""
    desk = ready_desk()
    desk.bind()
    return desk
