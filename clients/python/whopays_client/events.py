"""The events and control records that whopays publishes (contract, sections 7 and 10).

They are read tolerantly: unknown members are ignored.
"""

from typing import Any, Literal

from whopays_client.accounts import PaymentTerms, Preferences
from whopays_client.commands import HoldReason
from whopays_client.values import Instant, Part

Phase = Literal["Provisioning", "Incomplete", "Ready", "Suspended", "Archived"]


class Event(Part):
    """Base of what whopays publishes."""


class Cause(Part):
    """The cause of an event: a command or a fact, `by` its sender, and the reason they gave."""

    command_id: str | None = None
    fact_id: str | None = None
    by: str
    reason: str | None = None


class CurrentBinding(Part):
    """The binding that pays from `established_at` on."""

    binding_id: str
    account: str
    established_at: Instant
    currency_code: str | None
    payment_terms: PaymentTerms | None


class PreviousBinding(Part):
    """The binding that paid until now: from `established_at` up to, and not including, `ended_at`."""

    binding_id: str
    account: str
    established_at: Instant
    ended_at: Instant


class BindingChanged(Event):
    """A project has another payer, its first one (`previous` is None), or no payer any more (`current` is None)."""

    organization: str
    project: str
    change: Literal["Bound", "Superseded", "Released"]
    current: CurrentBinding | None
    previous: PreviousBinding | None
    cause: Cause


class Reactivation(Part):
    """Someone's statement that the cause of a hold is resolved."""

    by: str
    resolution: str
    requested_at: Instant


class Hold(Part):
    """A reason why an account is suspended."""

    reason: HoldReason
    message: str | None
    by: str
    placed_at: Instant
    reactivation: Reactivation | None


class AccountPhaseChanged(Event):
    """An account entered a phase; the first one has no `previous_phase`."""

    organization: str
    account: str
    previous_phase: Phase | None
    phase: Phase
    reason: str
    message: str
    holds: tuple[Hold, ...]
    cause: Cause


class Condition(Part):
    """One of the conditions that explain a phase; `last_transition_time` is when `status` last changed."""

    type: str
    status: Literal["True", "False"]
    reason: str
    message: str
    last_transition_time: Instant


class Closure(Part):
    """A request to close the account."""

    by: str
    reason: str | None
    requested_at: Instant


class AccountChanged(Event):
    """The state of an account after a command or fact changed it; never its contact."""

    organization: str
    account: str
    display_name: str | None
    phase: Phase
    conditions: tuple[Condition, ...]
    holds: tuple[Hold, ...]
    currency_code: str | None
    payment_terms: PaymentTerms | None
    preferences: Preferences | None
    payment_profile: str | None
    activated_at: Instant | None
    version: int
    closure: Closure | None
    cause: Cause


class ProjectBillingNotice(Event):
    """Notifies a project that the phase of its payer changed, or that it has no payer (`account` is None)."""

    organization: str
    project: str
    account: str | None
    kind: Literal["AccountSuspended", "AccountNotReady", "AccountReady", "PayerMissing"]
    reason: str
    message: str


class HeaderCopy(Part):
    """A header of a record that could not be answered; `value` in base64."""

    name: str
    value: str | None


class DeadLetter(Event):
    """An unanswerable record, and why. `key` and `value` are in base64, `size` in bytes, `sha256` in hex."""

    topic: str
    partition: int
    offset: int
    timestamp: Instant
    reason: str
    detail: str
    key: str | None
    headers: tuple[HeaderCopy, ...] | None
    value: str | None
    size: int | None
    sha256: str | None


class Watermark(Event):
    """All changes up to and including `closed_until` are at offsets below `offsets`, which has one per partition."""

    closed_until: Instant
    offsets: tuple[int, ...]


class ReplayCompleted(Event):
    """The end of a partition of a replay: the number of records before it, and the digest of their bytes.

    `digest` is a chained SHA-256, in hex; everything selected before the instant `until` is included.
    """

    replay: str
    partition: int
    records: int
    total_records: int
    digest: str
    first_id: str | None
    last_id: str | None
    selection: dict[str, Any]
    until: Instant
