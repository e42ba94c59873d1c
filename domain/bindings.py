"""Who pays for a project (docs/contract.md section 5, binding rules): binding, superseding, releasing, transferring."""

from dataclasses import replace
from datetime import datetime

from domain.book import Book
from domain.decision import Context, Decision, rejected
from domain.rules import existing_account, paying_account
from domain.state import Account, Binding, Change, Organization, Project
from schemas.commands import BindProject, SetDefaultAccount, TransferProjects
from schemas.events import BindingChanged, CurrentBinding, Phase, PreviousBinding
from schemas.immutable import dataclass
from schemas.outgoing import Outgoing
from schemas.results import LISTED_PROJECTS, Outcome, Reason, Violation, violation

MOST_PROJECTS = 10_000
"""How many projects one transfer may move."""


@dataclass(frozen=True, slots=True)
class Rebinding:
    """What becomes of a project's payer: the project's new record, its bindings (the new one last), and the event."""

    project: Project
    bindings: tuple[Binding, ...]
    event: Outgoing

    @property
    def changes(self) -> tuple[Change, ...]:
        """The records to keep."""
        return (self.project, *self.bindings)


def bind_project(command: BindProject, book: Book, context: Context) -> Decision:
    """Make an account the payer of a project now, superseding the one that pays."""
    account = book.account(command.organization, command.account)
    project = book.project(command.organization, command.project)
    active = book.active_binding(command.organization, command.project)
    broken = [*paying_account(account), *_active_project(project), *_expected_payer(command, project, active)]
    if broken or account is None or project is None:
        return rejected(broken, account=command.account, project=command.project)
    if active is not None and active.account == account.account:
        return Decision(
            Outcome.UNCHANGED, account=command.account, project=command.project, binding_id=active.binding_id
        )
    rebinding = bind(project, account, active, context, context.clock.next(), command.reason)
    return Decision(
        Outcome.APPLIED,
        changes=rebinding.changes,
        events=(rebinding.event,),
        account=command.account,
        project=command.project,
        binding_id=rebinding.bindings[-1].binding_id,
    )


def transfer_projects(command: TransferProjects, book: Book, context: Context) -> Decision:
    """Rebind all, or the listed, projects of an account at one instant: all or none."""
    source = book.account(command.organization, command.from_account)
    target = book.account(command.organization, command.to_account)
    broken = [*existing_account(source, "/fromAccount"), *paying_account(target, "/toAccount")]
    broken += _transferable(command, source, book)
    if broken or source is None or target is None:
        return rejected(broken, account=command.to_account)
    moving = sorted(command.projects or book.bound_projects(source).lowest(MOST_PROJECTS))
    if not moving:
        return Decision(Outcome.UNCHANGED, account=command.to_account, project_count=0)
    instant = context.clock.next()
    rebindings = [_moved(command, name, target, book, context, instant) for name in moving]
    return Decision(
        Outcome.APPLIED,
        changes=tuple(change for rebinding in rebindings for change in rebinding.changes),
        events=tuple(rebinding.event for rebinding in rebindings),
        account=command.to_account,
        project_count=len(rebindings),
    )


def set_default_account(command: SetDefaultAccount, book: Book, _: Context) -> Decision:
    """Choose who pays for projects that become Active without a payer; it need not be Ready yet."""
    if command.account is not None:
        account = book.account(command.organization, command.account)
        broken = existing_account(account)
        if account is not None and not broken and account.closure is not None:
            message = "the account's closure is requested: withdraw it, or choose another account"
            broken.append(violation(Reason.ACCOUNT_CLOSING, message, field="/account"))
        if broken:
            return rejected(broken, account=command.account)
    if book.default_account(command.organization) == command.account:
        return Decision(Outcome.UNCHANGED, account=command.account)
    chosen = Organization(organization=command.organization, default_account=command.account)
    return Decision(Outcome.APPLIED, (chosen,), account=command.account)


def bind(
    project: Project,
    account: Account,
    active: Binding | None,
    context: Context,
    instant: datetime,
    reason: str | None = None,
) -> Rebinding:
    """Begin a binding at an instant; the active one ends at that very instant."""
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
    ended = active.ended(instant) if active else None
    changed = project.bound(number)
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
    instant = context.clock.next()
    ended = active.ended(instant, released=True)
    changed = replace(project, sequence=project.sequence + 1, last_ended_at=instant)
    event = BindingChanged(
        organization=project.organization,
        project=project.project,
        change="Released",
        current=None,
        previous=_previous(ended, instant),
        cause=context.cause(reason),
    )
    return Rebinding(changed, (ended,), context.outgoing(event, project.key, instant, changed.sequence))


def _active_project(project: Project | None) -> list[Violation]:
    if project is None or project.state == "Deleted":
        message = "the organization has no such project: it must be reported first"
        return [violation(Reason.PROJECT_NOT_FOUND, message, field="/project")]
    if project.state != "Active":
        message = f"the project is {project.state}: it must be Active to get a payer"
        return [violation(Reason.PROJECT_NOT_ACTIVE, message, field="/project")]
    return []


def _expected_payer(command: BindProject, project: Project | None, active: Binding | None) -> list[Violation]:
    if not command.expects_payer or project is None or project.state == "Deleted":
        return []
    payer = active.account if active else None
    if command.expected_account == payer:
        return []
    message = f"the current payer is {payer}" if payer else "the project has no payer"
    return [violation(Reason.PRECONDITION_FAILED, _shortened(message), field="/expectedAccount")]


def _shortened(message: str) -> str:
    return message if len(message) <= 100 else f"{message[:99]}…"


def _transferable(command: TransferProjects, source: Account | None, book: Book) -> list[Violation]:
    # Who pays is not judged of an absent or archived account; the length of a list always is.
    payer = None if source is None or source.phase is Phase.ARCHIVED else source
    broken = []
    count = len(command.projects) if command.projects else book.bound_projects(payer).count if payer else 0
    if count > MOST_PROJECTS:
        message = f"{count} projects are too many for one transfer, which moves at most {MOST_PROJECTS}: list some"
        field = "/projects" if command.projects else "/fromAccount"
        broken.append(violation(Reason.TOO_MANY_PROJECTS, message, field=field))
    foreign = [name for name in command.projects or () if payer is not None and not _is_paid_by(payer, name, book)]
    if foreign:
        message = f"fromAccount does not pay for {len(foreign)} of the listed projects"
        blockers = {"count": len(foreign), "projects": foreign[:LISTED_PROJECTS]}
        broken.append(violation(Reason.PRECONDITION_FAILED, message, field="/projects", blockers=blockers))
    return broken


def _is_paid_by(account: Account, project: str, book: Book) -> bool:
    active = book.active_binding(account.organization, project)
    return active is not None and active.account == account.account


def _moved(
    command: TransferProjects, name: str, target: Account, book: Book, context: Context, instant: datetime
) -> Rebinding:
    project = book.project(command.organization, name)
    active = book.active_binding(command.organization, name)
    if project is None or active is None:
        raise LookupError(f"a bound project is not loaded: {command.organization}/{name}")
    return bind(project, target, active, context, instant, command.reason)


def _previous(ended: Binding | None, instant: datetime) -> PreviousBinding | None:
    if ended is None:
        return None
    return PreviousBinding(
        binding_id=ended.binding_id, account=ended.account, established_at=ended.established_at, ended_at=instant
    )
