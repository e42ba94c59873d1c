"""The state of an organization: immutable records, each identified by its name within the organization."""

from dataclasses import field
from datetime import datetime
from decimal import Decimal
from typing import Literal

from schemas.asking import Asked
from schemas.commands import BindProject
from schemas.contact import Contact
from schemas.events import Closure, Condition, Hold, NoticeKind, Phase, PhaseReason
from schemas.facts import PaymentProfileKind, PaymentProfileState, ProjectState
from schemas.immutable import dataclass
from schemas.preferences import Preferences
from schemas.terms import PaymentTerms

Key = tuple[str, str]
"""An organization and a name within it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Organization:
    """The settings of a whole organization."""

    organization: str
    default_account: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """The amount still owed according to invoicing, as of an instant."""

    outstanding: Decimal
    currency_code: str
    as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A billing account. `version` rises with each change, `phases` counts the phases entered, `sequence` the events.

    `holds` are in the order in which they were placed. The contact is stored separately: see AccountContact.
    """

    organization: str
    account: str
    version: int = 0
    phases: int = 0
    sequence: int = 0
    phase: Phase = Phase.PROVISIONING
    conditions: tuple[Condition, ...] = ()
    display_name: str | None = None
    currency_code: str | None = None
    payment_terms: PaymentTerms | None = None
    preferences: Preferences | None = None
    payment_profile: str | None = None
    holds: tuple[Hold, ...] = ()
    closure: Closure | None = None
    activated_at: datetime | None = None
    balance: Balance | None = None

    @property
    def key(self) -> Key:
        """The organization and the account's name."""
        return (self.organization, self.account)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountContact:
    """An account's contact, which is personal data; None once cleared."""

    organization: str
    account: str
    contact: Contact | None

    @property
    def key(self) -> Key:
        """The organization and the account's name."""
        return (self.organization, self.account)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseEntered:
    """A phase in an account's history, numbered from 1; `by` is the sender of the message that `caused_by` names."""

    organization: str
    account: str
    number: int
    previous_phase: Phase | None
    phase: Phase
    reason: PhaseReason
    message: str
    by: str
    caused_by: str
    entered_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project as last reported, and its payer: `account`, or nobody if None, since `payer_since`.

    `number` counts the changes of its payer. For `legacy_id` see Binding.
    """

    organization: str
    project: str
    state: ProjectState
    version: int
    uid: str | None = None
    display_name: str | None = None
    number: int = 0
    account: str | None = None
    payer_since: datetime | None = None
    legacy_id: str | None = None

    def after(self, binding: "Binding") -> "Project":
        """Return the project after a change of its payer."""
        return Project(
            organization=self.organization,
            project=self.project,
            state=self.state,
            version=self.version,
            uid=self.uid,
            display_name=self.display_name,
            number=binding.number,
            account=binding.account,
            payer_since=binding.from_instant,
            legacy_id=binding.legacy_id,
        )

    @property
    def key(self) -> Key:
        """The organization and the project's name."""
        return (self.organization, self.project)

    @property
    def reported(self) -> tuple[str, int, str | None, str | None]:
        """The fields reported by facts; the others follow from the project's bindings."""
        return (self.state, self.version, self.uid, self.display_name)

    @property
    def binding_id(self) -> str | None:
        """The id of the current binding; None if nobody pays."""
        return None if self.account is None else self.legacy_id or _binding_id(self, self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetiredUid:
    """A `uid` whose project name passed to another `uid`; it never returns."""

    organization: str
    project: str
    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The message that caused something: its id, its sender, and the attributes that its events pass on.

    `asked` is what the log keeps about the sender of a command.
    """

    caused_by: str
    sender: str
    passed_on: dict[str, str] = field(default_factory=dict)
    asked: Asked | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentProfile:
    """A payment profile as last reported; valid until `expires_at`.

    `due_at` is when a future expiry falls due, `origin` the fact that reported it.
    """

    organization: str
    payment_profile: str
    kind: PaymentProfileKind
    state: PaymentProfileState
    version: int
    origin: Origin
    reference: str | None = None
    country: str | None = None
    expires_at: datetime | None = None
    reason: str | None = None
    due_at: datetime | None = None

    @property
    def key(self) -> Key:
        """The organization and the profile's name."""
        return (self.organization, self.payment_profile)


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A change of a project's payer: from `from_instant` `account` pays (None: nobody), until the next number begins.

    `number` counts the project's changes from 1 and equals the `sequence` of the event that published this one.
    `legacy_id` is the id under which a binding older than migration 0008 was published.
    """

    organization: str
    project: str
    number: int
    account: str | None
    from_instant: datetime
    legacy_id: str | None = None

    @property
    def binding_id(self) -> str:
        """The binding's stable and unique id. Names contain no slash."""
        return self.legacy_id or _binding_id(self, self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingBinding:
    """A `BindProject` without a final result yet: scheduled for `due_at`, or waiting until then at most.

    `number` orders the pending bindings of one project. `source` and `type` are those of the command's envelope.
    """

    organization: str
    project: str
    number: int
    kind: Literal["Scheduled", "Waiting"]
    due_at: datetime
    command: BindProject
    source: str
    type: str
    origin: Origin

    @property
    def key(self) -> tuple[str, str, int]:
        """The organization, the project and the number."""
        return (self.organization, self.project, self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class FanOut:
    """Notices still to be sent: to each project bound to the account at `instant` whose name is after `told`.

    `number` orders the fan-outs of one account.
    """

    organization: str
    account: str
    number: int
    kind: NoticeKind
    reason: PhaseReason
    message: str
    instant: datetime
    origin: Origin
    told: str = ""

    @property
    def key(self) -> tuple[str, str, int]:
        """The organization, the account and the number."""
        return (self.organization, self.account, self.number)


@dataclass(frozen=True, slots=True)
class Done:
    """A pending binding or fan-out that has ended."""

    record: PendingBinding | FanOut


Kept = (
    Organization | Account | AccountContact | Project | RetiredUid | PaymentProfile | Binding | PendingBinding | FanOut
)
Change = Kept | PhaseEntered | Done


def _binding_id(of: Project | Binding, number: int) -> str:
    return f"{of.organization}/{of.project}/{number}"
