"""What is to be loaded before a batch is decided."""

from dataclasses import dataclass, field

from domain.state import Key
from schemas.parsing import Identity
from schemas.records import Record


@dataclass(frozen=True, slots=True)
class Refused:
    """A command that is not let in: its record, its identity, and what it means."""

    record: Record
    identity: Identity
    fingerprint: bytes


@dataclass(slots=True)
class Needs:
    """Keys to load.

    Of `turning` accounts the projects that they pay for are needed too: they may be told of a change of phase, or keep
    the account open. Of `emptied` accounts they are needed whole, since they move. Of `reported_profiles` the accounts
    that they are attached to are needed. `contacts` are accounts whose contact matters, `fan_outs` those that are due.
    Of `refused` commands it matters whether they were accepted when they were read before.
    """

    boundaries: set[str] = field(default_factory=set)
    organizations: set[str] = field(default_factory=set)
    accounts: set[Key] = field(default_factory=set)
    contacts: set[Key] = field(default_factory=set)
    turning: set[Key] = field(default_factory=set)
    emptied: set[Key] = field(default_factory=set)
    projects: set[Key] = field(default_factory=set)
    uids: set[tuple[str, str, str]] = field(default_factory=set)
    payment_profiles: set[Key] = field(default_factory=set)
    reported_profiles: set[Key] = field(default_factory=set)
    fan_outs: set[Key] = field(default_factory=set)
    identities: set[Identity] = field(default_factory=set)
    asked_again: set[Identity] = field(default_factory=set)
    refused: list[Refused] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
