"""The published events (docs/contract.md section 7). Members that the contract marks `?` are left out when absent.

They are dataclasses, which pydantic serializes but does not validate: only this service creates them, and the type
checker checks what they are built from.
"""

from collections.abc import Callable
from dataclasses import fields
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_camel

from schemas.commands import HoldReason
from schemas.forms import one_of
from schemas.immutable import dataclass
from schemas.preferences import Preferences
from schemas.scalars import Identifier, Instant, Wire
from schemas.terms import PaymentTerms
from schemas.topics import Topic


def _absent(value: Any) -> bool:
    return value is None


OptionalText = Annotated[str | None, Field(exclude_if=_absent)]
OptionalName = Annotated[Identifier | None, Field(exclude_if=_absent)]


class Phase(StrEnum):
    """The account's computed phase (docs/contract.md section 4)."""

    PROVISIONING = "Provisioning"
    INCOMPLETE = "Incomplete"
    READY = "Ready"
    SUSPENDED = "Suspended"
    ARCHIVED = "Archived"


class PhaseReason(StrEnum):
    """Why an account is in its phase, and why a condition is as it is. The hold reasons are the commands' own words."""

    CREATED = "Created"
    CONFIGURATION_MISSING = "ConfigurationMissing"
    PAYMENT_PROFILE_MISSING = "PaymentProfileMissing"
    PAYMENT_PROFILE_NOT_FOUND = "PaymentProfileNotFound"
    PAYMENT_PROFILE_INVALID = "PaymentProfileInvalid"
    PAYMENT_PROFILE_EXPIRED = "PaymentProfileExpired"
    PAYMENT_PROFILE_REMOVED = "PaymentProfileRemoved"
    PAYMENT_PROFILE_NOT_ALLOWED = "PaymentProfileNotAllowed"
    PAYMENT_FAILURE = "PaymentFailure"
    COMPLIANCE_VIOLATION = "ComplianceViolation"
    ADMINISTRATIVE = "Administrative"
    REQUIREMENTS_MET = "RequirementsMet"
    CLOSED = "Closed"


PROJECT_UNBOUND = "ProjectUnbound"
"""The reason of a notice that a project has no payer."""


class NoticeKind(StrEnum):
    """What a project is told about its payer."""

    ACCOUNT_SUSPENDED = "AccountSuspended"
    ACCOUNT_NOT_READY = "AccountNotReady"
    ACCOUNT_READY = "AccountReady"
    PAYER_MISSING = "PayerMissing"


class Said:
    """Base of events and their parts: camelCase on the wire and snake_case in the code."""

    __slots__ = ()
    __pydantic_config__: ClassVar = ConfigDict(alias_generator=to_camel, serialize_by_alias=True)

    @classmethod
    def of(cls, record: Any, **more: Any) -> Self:
        """Build it from a record: each member is the record's field of the same name, unless given in `more`."""
        return cls(**{name: getattr(record, name) for name in _members(cls) if name not in more}, **more)


_members: Callable[[type], tuple[str, ...]] = cache(lambda class_: tuple(field.name for field in fields(class_)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause(Said):
    """What made it happen: a command or a fact, `by` whom, and the reason they gave."""

    command_id: OptionalText = None
    fact_id: OptionalText = None
    by: str
    reason: OptionalText = None


class Reactivation(Wire):
    """Someone's statement that the cause of a hold is resolved."""

    by: str
    resolution: str
    requested_at: Instant


class Hold(Wire):
    """One reason for which an account is suspended."""

    reason: HoldReason
    message: str | None
    by: str
    placed_at: Instant
    reactivation: Reactivation | None = None


class Closure(Wire):
    """A request to close the account."""

    by: str
    reason: str | None
    requested_at: Instant


ConditionType = Literal["ConfigurationValid", "PaymentProfileValid", "NoHolds", "Ready"]


class Condition(Wire):
    """One of the conditions that explain the phase; `last_transition_time` is when `status` last changed."""

    type: ConditionType
    status: Literal["True", "False"]
    reason: PhaseReason
    message: str
    last_transition_time: Instant


class Event(Said):
    """Base of all events: the topic it is published on, its name, and its data as JSON."""

    __slots__ = ()
    topic: ClassVar[Topic]

    @classmethod
    def name(cls) -> str:
        """Return the event's name, the middle of its `type`."""
        return cls.__name__

    def data(self) -> bytes:
        """Return the event's `data` attribute, as JSON."""
        return _writer(type(self))(self)


_writer: Callable[[type], Callable[[Any], bytes]] = cache(lambda event: TypeAdapter(event).serializer.to_json)


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentBinding(Said):
    """The binding that pays from now on."""

    binding_id: str
    account: Identifier
    established_at: Instant
    currency_code: str | None
    payment_terms: PaymentTerms | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviousBinding(Said):
    """The binding that paid until now: `[establishedAt, endedAt)`."""

    binding_id: str
    account: Identifier
    established_at: Instant
    ended_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingChanged(Event):
    """A project has another payer, its first one, or none any more."""

    topic = Topic.BINDINGS

    organization: Identifier
    project: Identifier
    change: Literal["Bound", "Superseded", "Released"]
    current: CurrentBinding | None
    previous: PreviousBinding | None
    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPhaseChanged(Event):
    """An account entered a phase."""

    topic = Topic.ACCOUNTS

    organization: Identifier
    account: Identifier
    previous_phase: Phase | None
    phase: Phase
    reason: PhaseReason
    message: str
    holds: tuple[Hold, ...]
    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountState(Said):
    """What is told of an account; its contact is never part of it."""

    organization: Identifier
    account: Identifier
    display_name: str | None
    phase: Phase
    conditions: tuple[Condition, ...]
    holds: tuple[Hold, ...]
    currency_code: str | None
    payment_terms: PaymentTerms | None
    preferences: Preferences | None
    payment_profile: Identifier | None
    activated_at: Instant | None
    version: int
    closure: Closure | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChanged(AccountState, Event):
    """The account's state after a command or fact changed it: exactly one, last."""

    topic = Topic.ACCOUNTS

    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectBillingNotice(Event):
    """Tells one project that its payer's phase changed, or that it has none."""

    topic = Topic.NOTICES

    organization: Identifier
    project: Identifier
    account: Identifier | None
    kind: NoticeKind
    reason: Annotated[str, one_of([*PhaseReason, PROJECT_UNBOUND])]
    message: str
