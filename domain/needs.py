"""What must be loaded before a batch is decided."""

from dataclasses import dataclass, field

from domain.state import Key
from schemas.parsing import Identity
from schemas.records import Record


@dataclass(frozen=True, slots=True)
class Refused:
    """A command that is not admitted: its record, its identity and its fingerprint."""

    record: Record
    identity: Identity
    fingerprint: bytes


@dataclass(slots=True)
class Needs:
    """Keys to load.

    `turning` accounts also need the projects that they pay for, which may be notified of a change of phase or block
    closure; `emptied` accounts need all of them, since they move. `reported_profiles` need the accounts that they are
    attached to. `contacts` are accounts whose contact is needed, `fan_outs` accounts with a fan-out due. For `refused`
    commands, it must be known whether an earlier delivery was accepted.
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
