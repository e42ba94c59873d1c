"""The result of a command, as published (docs/contract.md section 6)."""

from datetime import datetime

from domain.decision import Decision
from domain.state import Origin
from schemas.immutable import dataclass
from schemas.outgoing import Outgoing
from schemas.parsing import Identity
from schemas.results import LISTED, Announcement, CommandCompleted


@dataclass(frozen=True, slots=True)
class Answering:
    """The command that a result answers: its envelope, the `fingerprint` to publish, and the records it names."""

    identity: Identity
    type: str
    origin: Origin
    fingerprint: str | None
    account: str | None
    project: str | None
    is_dry_run: bool = False


def result_of(answering: Answering, decision: Decision) -> CommandCompleted:
    """Return the result of a command."""
    organization, source, command_id = answering.identity
    listed = (*decision.events, *decision.deferred)[:LISTED]
    return CommandCompleted(
        organization=organization,
        command_id=command_id,
        command_source=source,
        command_type=answering.type,
        fingerprint=answering.fingerprint,
        dry_run=answering.is_dry_run,
        outcome=decision.outcome,
        violations=decision.violations[:LISTED],
        violation_count=len(decision.violations),
        account=answering.account,
        project=answering.project,
        binding_id=None if answering.is_dry_run else decision.binding_id,
        project_count=decision.project_count,
        events=tuple(Announcement(type=event.type, subject=event.subject) for event in listed),
        event_count=len(decision.events) + decision.deferred_count,
    )


def outgoing_result(completed: CommandCompleted, origin: Origin, instant: datetime) -> Outgoing:
    """Put a result in its envelope, addressed to the sender of the record of `origin`."""
    return Outgoing(
        event=completed,
        boundary=completed.organization,
        subject=completed.organization,
        key=completed.organization.encode(),
        time=instant,
        causation_id=completed.command_id,
        sender=origin.sender or None,
        passed_on=origin.passed_on,
        asked=origin.asked,
    )
