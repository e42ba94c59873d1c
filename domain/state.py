"""What is known of an organization: immutable records, each by its name within the organization."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from schemas.commands import PaymentTerms
from schemas.events import Closure, Condition, Hold, Phase, PhaseReason
from schemas.facts import PaymentProfileKind, PaymentProfileState, ProjectState

Key = tuple[str, str]
"""An organization and a name within it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A billing account. `version` rises with every change, `phases` counts those it entered, `sequence` its events.

    `last_instant` is that of its latest event; `holds` are in the order in which they were placed.
    """

    organization: str
    account: str
    version: int = 0
    phases: int = 0
    sequence: int = 0
    last_instant: datetime | None = None
    phase: Phase = Phase.PROVISIONING
    conditions: tuple[Condition, ...] = ()
    display_name: str | None = None
    currency_code: str | None = None
    payment_terms: PaymentTerms | None = None
    preferences: dict[str, Any] | None = None
    payment_profile: str | None = None
    holds: tuple[Hold, ...] = ()
    closure: Closure | None = None
    activated_at: datetime | None = None

    @property
    def key(self) -> Key:
        """Give the organization and the account's name."""
        return (self.organization, self.account)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseEntered:
    """One line of an account's history; `number` counts its phases from 1, `by` whom and `caused_by` which message."""

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
    """A project as last reported. `bindings` counts those it had, `sequence` its binding events.

    `last_instant` is that of its latest event; `last_ended_at` the end of its last binding while it has none active.
    """

    organization: str
    project: str
    state: ProjectState
    version: int
    uid: str | None = None
    display_name: str | None = None
    bindings: int = 0
    sequence: int = 0
    last_instant: datetime | None = None
    last_ended_at: datetime | None = None

    @property
    def key(self) -> Key:
        """Give the organization and the project's name."""
        return (self.organization, self.project)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetiredUid:
    """A `uid` that gave its project name to another one, and never comes back."""

    organization: str
    project: str
    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentProfile:
    """A payment profile as last reported; valid until `expires_at`."""

    organization: str
    payment_profile: str
    kind: PaymentProfileKind
    state: PaymentProfileState
    version: int
    reference: str | None = None
    country: str | None = None
    expires_at: datetime | None = None
    reason: str | None = None

    @property
    def key(self) -> Key:
        """Give the organization and the profile's name."""
        return (self.organization, self.payment_profile)


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """Who pays for a project in `[established_at, ended_at)`.

    `number` counts the project's bindings from 1. `previous_ended_at` is the end of the one before; a binding that is
    `released` ended without a successor taking over at that instant.
    """

    organization: str
    project: str
    number: int
    account: str
    established_at: datetime
    previous_ended_at: datetime | None
    ended_at: datetime | None = None
    released: bool = False

    @property
    def binding_id(self) -> str:
        """Give the binding's id: the same for the same binding, and used by no other."""
        return str(uuid5(NAMESPACE_URL, f"whopays:{self.organization}/{self.project}/{self.number}"))


Change = Account | PhaseEntered | Project | RetiredUid | PaymentProfile | Binding
