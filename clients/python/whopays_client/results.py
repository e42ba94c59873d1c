"""The results of commands (contract, section 6)."""

from typing import Any, Literal

from whopays_client.events import Event
from whopays_client.values import Part

Outcome = Literal["Applied", "Unchanged", "Scheduled", "Waiting", "Rejected"]
INTERIM: frozenset[Outcome] = frozenset({"Scheduled", "Waiting"})
"""Outcomes after which a further result follows."""


class Violation(Part):
    """One broken rule. `field` is a JSON pointer into the command's data.

    `blockers` lists what stands in the way, if it can be listed. `retryable`: the same content may succeed later,
    under a new id.
    """

    reason: str
    message: str
    field: str | None = None
    blockers: dict[str, Any] | None = None
    retryable: bool


class Announcement(Part):
    """An event that the command caused, or would cause: its type in full, and its subject."""

    type: str
    subject: str


class CommandCompleted(Event):
    """The result of a command. The first 100 violations and events are listed, and all are counted.

    `fingerprint` identifies the command's content: equal for equal content, whatever the id. `repeated`: published
    again on request.
    """

    organization: str
    command_id: str
    command_source: str
    command_type: str
    fingerprint: str | None = None
    dry_run: bool
    repeated: bool = False
    outcome: Outcome
    violations: tuple[Violation, ...]
    violation_count: int
    account: str | None = None
    project: str | None = None
    binding_id: str | None = None
    project_count: int | None = None
    events: tuple[Announcement, ...]
    event_count: int

    @property
    def is_interim(self) -> bool:
        """Whether a further result follows."""
        return self.outcome in INTERIM and not self.dry_run
