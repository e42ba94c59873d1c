"""Bindings without a final result yet (docs/contract.md section 5): scheduled and waiting ones."""

from datetime import datetime, timedelta
from typing import Literal

from domain.bindings import bind_project
from domain.book import Book
from domain.decision import Context, Decision, rejected
from domain.state import Done, PendingBinding
from schemas.commands import BindProject, CancelScheduledBinding
from schemas.message_types import type_of
from schemas.results import Outcome, Reason, violation

WORTH_WAITING = frozenset({Reason.ACCOUNT_NOT_FOUND, Reason.PROJECT_NOT_FOUND, Reason.ACCOUNT_NOT_READY})
"""Reasons that later facts may resolve."""


def answer_binding(command: BindProject, book: Book, context: Context) -> Decision:
    """Bind now, schedule the binding, let it wait for what is missing, or queue it behind other waiting bindings.

    A dry run is judged as if no other binding were waiting.
    """
    key = (command.organization, command.project)
    patience = context.now + timedelta(seconds=command.wait_seconds)
    if not command.dry_run and book.queue(key):
        return _put_off("Waiting", patience, command, book, context)
    decision = bind_project(command, book, context)
    if decision.outcome is Outcome.REJECTED:
        if command.wait_seconds and is_worth_waiting(decision):
            return _put_off("Waiting", patience, command, book, context)
        return decision
    if command.effective_at is not None and command.effective_at > context.now:
        return _put_off("Scheduled", command.effective_at, command, book, context)
    return decision


def cancel_scheduled_binding(command: CancelScheduledBinding, book: Book, _: Context) -> Decision:
    """Cancel a scheduled binding; the fold publishes its final result."""
    project = book.project(command.organization, command.project)
    if project is None or project.state == "Deleted":
        message = "the organization has no such project"
        return rejected([violation(Reason.PROJECT_NOT_FOUND, message, field="/project")])
    scheduled = book.scheduled(project.key)
    if scheduled is None:
        return Decision(Outcome.UNCHANGED)
    return Decision(Outcome.APPLIED, (Done(scheduled),))


def is_worth_waiting(decision: Decision) -> bool:
    """Return whether a binding was rejected only for reasons that later facts may resolve."""
    reasons = {broken.reason for broken in decision.violations}
    return decision.outcome is Outcome.REJECTED and reasons <= WORTH_WAITING


def superseded() -> Decision:
    """Return the final result of a scheduled binding that was replaced, cancelled or lost its project."""
    message = "the scheduled binding was replaced or cancelled, or its project was deleted"
    return rejected([violation(Reason.SUPERSEDED, message)])


def _put_off(
    kind: Literal["Scheduled", "Waiting"], due_at: datetime, command: BindProject, book: Book, context: Context
) -> Decision:
    pending = PendingBinding(
        organization=command.organization,
        project=command.project,
        number=book.next_pending_number((command.organization, command.project)),
        kind=kind,
        due_at=due_at,
        command=command,
        source=context.source,
        type=type_of(BindProject.__name__),
        origin=context.origin,
    )
    outcome = Outcome.SCHEDULED if kind == "Scheduled" else Outcome.WAITING
    return Decision(outcome, (pending,))
