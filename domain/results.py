"""The result of a command, as it goes out (docs/contract.md section 6)."""

from datetime import datetime

from domain.decision import Decision
from domain.messages import Identity
from domain.state import Origin
from schemas.outgoing import Outgoing
from schemas.results import LISTED, Announcement, CommandCompleted, Outcome


def result_of(
    identity: Identity, type_: str, origin: Origin, decision: Decision, instant: datetime, *, dry_run: bool
) -> Outgoing:
    """Tell what became of a command; `identity`, `type_` and `origin` are those of its envelope."""
    organization, source, command_id = identity
    listed = (*decision.events, *decision.deferred)[:LISTED]
    completed = CommandCompleted(
        organization=organization,
        command_id=command_id,
        command_source=source,
        command_type=type_,
        dry_run=dry_run,
        outcome=decision.outcome,
        violations=decision.violations[:LISTED],
        violation_count=len(decision.violations),
        account=decision.account,
        project=decision.project,
        # What a dry run would bind gets no id: the binding does not exist.
        binding_id=None if dry_run and decision.outcome is Outcome.APPLIED else decision.binding_id,
        project_count=decision.project_count,
        events=tuple(Announcement(type=event.type, subject=event.subject) for event in listed),
        event_count=len(decision.events) + decision.deferred_count,
    )
    return Outgoing(
        event=completed,
        boundary=organization,
        subject=organization,
        key=organization.encode(),
        time=instant,
        causation_id=command_id,
        sender=origin.sender or None,
        passed_on=origin.passed_on,
    )
