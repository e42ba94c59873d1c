"""Who pays for a project (docs/contract.md section 5, binding rules): binding, superseding, releasing."""

from dataclasses import dataclass, replace
from datetime import datetime

from domain.book import Book
from domain.decision import Context, Decision, after, rejected
from domain.state import Account, Binding, Change, Project
from schemas.commands import BindProject
from schemas.events import BindingChanged, CurrentBinding, Phase, PreviousBinding
from schemas.outgoing import Outgoing
from schemas.results import Outcome, Reason, Violation, violation


@dataclass(frozen=True, slots=True)
class Rebinding:
    """What becomes of a project's payer: the project's new record, its bindings, and the event."""

    project: Project
    bindings: tuple[Binding, ...]
    event: Outgoing

    @property
    def changes(self) -> tuple[Change, ...]:
        """Give the records to keep."""
        return (self.project, *self.bindings)


def bind_project(command: BindProject, book: Book, context: Context) -> Decision:
    """Make an account the payer of a project, superseding the one that pays now."""
    account = book.account(command.organization, command.account)
    project = book.project(command.organization, command.project)
    active = book.active_binding(command.organization, command.project)
    broken = [*account_rules(account), *_project_rules(project), *_expected_payer_rule(command, project, active)]
    if broken or account is None or project is None:
        return rejected(broken, account=command.account, project=command.project)
    if active is not None and active.account == account.account:
        return Decision(
            Outcome.UNCHANGED, account=command.account, project=command.project, binding_id=active.binding_id
        )
    turn = bind(project, account, active, context, command.reason)
    return Decision(
        Outcome.APPLIED,
        changes=turn.changes,
        events=(turn.event,),
        account=command.account,
        project=command.project,
        binding_id=turn.bindings[-1].binding_id,
    )


def account_rules(account: Account | None) -> list[Violation]:
    """Name what keeps an account from taking projects: absent, archived, not Ready, closing."""
    if account is None:
        return [
            violation(Reason.ACCOUNT_NOT_FOUND, "the organization has no such account: create it", field="/account")
        ]
    if account.phase is Phase.ARCHIVED:
        return [violation(Reason.ACCOUNT_ARCHIVED, "the account is closed for good: bind to another", field="/account")]
    broken = []
    if account.phase is not Phase.READY:
        why = account.conditions[-1].reason
        message = f"the account is {account.phase} ({why}): it takes projects once it is Ready"
        broken.append(violation(Reason.ACCOUNT_NOT_READY, message, field="/account"))
    if account.closure is not None:
        message = "the account's closure is requested: withdraw it, or bind to another"
        broken.append(violation(Reason.ACCOUNT_CLOSING, message, field="/account"))
    return broken


def _project_rules(project: Project | None) -> list[Violation]:
    if project is None or project.state == "Deleted":
        message = "the organization has no such project: it must be reported first"
        return [violation(Reason.PROJECT_NOT_FOUND, message, field="/project")]
    if project.state != "Active":
        message = f"the project is {project.state}: it must be Active to get a payer"
        return [violation(Reason.PROJECT_NOT_ACTIVE, message, field="/project")]
    return []


def _expected_payer_rule(command: BindProject, project: Project | None, active: Binding | None) -> list[Violation]:
    if not command.expects_payer or project is None or project.state == "Deleted":
        return []
    payer = active.account if active else None
    if command.expected_account == payer:
        return []
    message = f"the current payer is {payer}" if payer else "the project has no payer"
    return [violation(Reason.PRECONDITION_FAILED, _quote(message), field="/expectedAccount")]


def _quote(message: str) -> str:
    return message if len(message) <= 100 else f"{message[:99]}…"


def bind(
    project: Project, account: Account, active: Binding | None, context: Context, reason: str | None = None
) -> Rebinding:
    """Begin a binding at the project's next instant; the active one ends at that very instant."""
    instant = after(project.last_instant, context.now)
    number = project.bindings + 1
    binding = Binding(
        organization=project.organization,
        project=project.project,
        number=number,
        account=account.account,
        established_at=instant,
        previous_ended_at=instant if active else project.last_ended_at,
    )
    current = CurrentBinding(
        binding_id=binding.binding_id,
        account=binding.account,
        established_at=instant,
        currency_code=account.currency_code,
        payment_terms=account.payment_terms,
    )
    ended = replace(active, ended_at=instant) if active else None
    changed = replace(project, bindings=number, sequence=project.sequence + 1, last_instant=instant, last_ended_at=None)
    event = BindingChanged(
        organization=project.organization,
        project=project.project,
        change="Superseded" if active else "Bound",
        current=current,
        previous=_previous(ended, instant),
        cause=context.cause(reason),
    )
    bindings = (ended, binding) if ended else (binding,)
    return Rebinding(changed, bindings, context.outgoing(event, project.key, instant, changed.sequence))


def release(project: Project, active: Binding, context: Context, reason: str) -> Rebinding:
    """End the active binding without a successor, because the project is gone."""
    instant = after(project.last_instant, context.now)
    ended = replace(active, ended_at=instant, released=True)
    changed = replace(project, sequence=project.sequence + 1, last_instant=instant, last_ended_at=instant)
    event = BindingChanged(
        organization=project.organization,
        project=project.project,
        change="Released",
        current=None,
        previous=_previous(ended, instant),
        cause=context.cause(reason),
    )
    return Rebinding(changed, (ended,), context.outgoing(event, project.key, instant, changed.sequence))


def _previous(ended: Binding | None, instant: datetime) -> PreviousBinding | None:
    if ended is None:
        return None
    return PreviousBinding(
        binding_id=ended.binding_id, account=ended.account, established_at=ended.established_at, ended_at=instant
    )
