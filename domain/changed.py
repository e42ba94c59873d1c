"""What a batch changed, to be written once it is decided."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import assert_never

from domain.state import (
    Account,
    AccountContact,
    Binding,
    Change,
    Done,
    FanOut,
    Key,
    Organization,
    PaymentProfile,
    PendingBinding,
    PhaseEntered,
    Project,
    RetiredUid,
)


@dataclass(slots=True)
class Changed:
    """The records that a batch changed, by key and in their final state; None marks those that are done.

    `former_payers` are the accounts of which bindings ended, with the instant at which the last one ended.
    """

    organizations: dict[str, Organization] = field(default_factory=dict)
    accounts: dict[Key, Account] = field(default_factory=dict)
    contacts: dict[Key, AccountContact] = field(default_factory=dict)
    phases: list[PhaseEntered] = field(default_factory=list)
    projects: dict[Key, Project] = field(default_factory=dict)
    retired_uids: list[RetiredUid] = field(default_factory=list)
    payment_profiles: dict[Key, PaymentProfile] = field(default_factory=dict)
    bindings: list[Binding] = field(default_factory=list)
    former_payers: dict[Key, datetime] = field(default_factory=dict)
    pending: dict[tuple[str, str, int], PendingBinding | None] = field(default_factory=dict)
    fan_outs: dict[tuple[str, str, int], FanOut | None] = field(default_factory=dict)

    def note(self, change: Change) -> None:
        """Record a change to be written."""
        match change:
            # The most frequent first.
            case Project():
                self.projects[change.key] = change
            case Binding():
                self.bindings.append(change)
            case Organization():
                self.organizations[change.organization] = change
            case Account():
                self.accounts[change.key] = change
            case AccountContact():
                self.contacts[change.key] = change
            case PhaseEntered():
                self.phases.append(change)
            case RetiredUid():
                self.retired_uids.append(change)
            case PaymentProfile():
                self.payment_profiles[change.key] = change
            case PendingBinding():
                self.pending[change.key] = change
            case FanOut():
                self.fan_outs[change.key] = change
            case Done(record=PendingBinding() as over):
                self.pending[over.key] = None
            case Done(record=FanOut() as over):
                self.fan_outs[over.key] = None
            case Done():
                raise TypeError(type(change.record))
            case _:
                assert_never(change)
