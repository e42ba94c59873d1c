"""Who pays for a project (docs/contract.md section 5, binding rules): binding, superseding, releasing, transferring."""

from datetime import datetime

from domain.book import Book
from domain.decision import Context, Decision, rejected
from domain.rules import existing_account, open_account, paying_account
from domain.state import Account, Binding, Change, Organization, Project
from schemas.commands import BindProject, SetDefaultAccount, TransferProjects
from schemas.events import BindingChanged, CurrentBinding, Phase, PreviousBinding
from schemas.immutable import dataclass
from schemas.listed import LISTED_PROJECTS
from schemas.outgoing import Outgoing
from schemas.results import Outcome, Reason, Violation, violation

MOST_PROJECTS = 10_000
"""How many projects one transfer may move."""


@dataclass(frozen=True, slots=True)
class Rebinding:
    """A change of a project's payer: the binding, the project's new record, and the event."""

    binding: Binding
    project: Project
    event: Outgoing

    @property
    def changes(self) -> tuple[Change, ...]:
        """The records to store."""
        return (self.binding, self.project)


def bind_project(command: BindProject, book: Book, context: Context) -> Decision:
    """Make an account the payer of a project now, superseding the current payer."""
    account = book.account(command.organization, command.account)
    project = book.project(command.organization, command.project)
    broken = [*paying_account(account), *_active_project(project), *_expected_payer(command, project)]
    if broken or account is None or project is None:
        return rejected(broken)
    if project.account == account.account:
        return Decision(Outcome.UNCHANGED, binding_id=project.binding_id)
    rebinding = bind(project, account, context, context.clock.next(), command.reason)
    return Decision(
        Outcome.APPLIED,
        changes=rebinding.changes,
        events=(rebinding.event,),
        binding_id=rebinding.binding.binding_id,
    )


def transfer_projects(command: TransferProjects, book: Book, context: Context) -> Decision:
    """Rebind all projects of an account, or those listed, at one instant; all of them or none."""
    source = book.account(command.organization, command.from_account)
    target = book.account(command.organization, command.to_account)
    broken = [*existing_account(source, "/fromAccount"), *paying_account(target, "/toAccount")]
    broken += _transferable(command, source, book)
    if broken or source is None or target is None:
        return rejected(broken)
    moving = sorted(command.projects or book.bound_projects(source).lowest(MOST_PROJECTS))
    if not moving:
        return Decision(Outcome.UNCHANGED, project_count=0)
    instant = context.clock.next()
    rebindings = [_moved(command, name, target, book, context, instant) for name in moving]
    return Decision(
        Outcome.APPLIED,
        changes=tuple(change for rebinding in rebindings for change in rebinding.changes),
        events=tuple(rebinding.event for rebinding in rebindings),
        project_count=len(rebindings),
    )


def set_default_account(command: SetDefaultAccount, book: Book, _: Context) -> Decision:
    """Choose the account that pays for projects that become Active without a payer; it need not be Ready yet."""
    if command.account is not None:
        broken = open_account(book.account(command.organization, command.account))
        if broken:
            return rejected(broken)
    if book.default_account(command.organization) == command.account:
        return Decision(Outcome.UNCHANGED)
    chosen = Organization(organization=command.organization, default_account=command.account)
    return Decision(Outcome.APPLIED, (chosen,))


def bind(
    project: Project, account: Account, context: Context, instant: datetime, reason: str | None = None
) -> Rebinding:
    """Begin a binding at an instant; the current one ends at the same instant."""
    binding = _next_binding(project, account.account, instant)
    current = CurrentBinding(
        binding_id=binding.binding_id,
        account=account.account,
        established_at=instant,
        currency_code=account.currency_code,
        payment_terms=account.payment_terms,
    )
    event = BindingChanged(
        organization=project.organization,
        project=project.project,
        change="Bound" if project.account is None else "Superseded",
        current=current,
        previous=_previous(project, instant),
        cause=context.cause(reason),
    )
    return _rebinding(project, binding, event, context)


def release(project: Project, context: Context, reason: str) -> Rebinding:
    """End the current binding without a successor, because the project was deleted."""
    instant = context.clock.next()
    binding = _next_binding(project, None, instant)
    event = BindingChanged(
        organization=project.organization,
        project=project.project,
        change="Released",
        current=None,
        previous=_previous(project, instant),
        cause=context.cause(reason),
    )
    return _rebinding(project, binding, event, context)


def _next_binding(project: Project, account: str | None, instant: datetime) -> Binding:
    return Binding(
        organization=project.organization,
        project=project.project,
        number=project.number + 1,
        account=account,
        from_instant=instant,
    )


def _rebinding(project: Project, binding: Binding, event: BindingChanged, context: Context) -> Rebinding:
    outgoing = context.outgoing(event, project.key, binding.from_instant, binding.number)
    return Rebinding(binding, project.after(binding), outgoing)


def _active_project(project: Project | None) -> list[Violation]:
    if project is None or project.state == "Deleted":
        message = "the organization has no such project: it must be reported first"
        return [violation(Reason.PROJECT_NOT_FOUND, message, field="/project")]
    if project.state != "Active":
        message = f"the project is {project.state}: it must be Active to get a payer"
        return [violation(Reason.PROJECT_NOT_ACTIVE, message, field="/project")]
    return []


def _expected_payer(command: BindProject, project: Project | None) -> list[Violation]:
    if not command.expects_payer or project is None or project.state == "Deleted":
        return []
    if command.expected_account == project.account:
        return []
    message = f"the current payer is {project.account}" if project.account else "the project has no payer"
    return [violation(Reason.PRECONDITION_FAILED, _shortened(message), field="/expectedAccount")]


def _shortened(message: str) -> str:
    return message if len(message) <= 100 else f"{message[:99]}…"


def _transferable(command: TransferProjects, source: Account | None, book: Book) -> list[Violation]:
    # Only an existing, open account is checked as the payer; the length of the list is always checked.
    payer = None if source is None or source.phase is Phase.ARCHIVED else source
    broken = []
    count = len(command.projects) if command.projects else book.bound_projects(payer).count if payer else 0
    if count > MOST_PROJECTS:
        message = f"{count} projects are too many for one transfer, which moves at most {MOST_PROJECTS}: list some"
        field = "/projects" if command.projects else "/fromAccount"
        broken.append(violation(Reason.TOO_MANY_PROJECTS, message, field=field))
    not_paid = [name for name in command.projects or () if payer is not None and not _is_paid_by(payer, name, book)]
    if not_paid:
        message = f"fromAccount does not pay for {len(not_paid)} of the listed projects"
        blockers = {"count": len(not_paid), "projects": not_paid[:LISTED_PROJECTS]}
        broken.append(violation(Reason.PRECONDITION_FAILED, message, field="/projects", blockers=blockers))
    return broken


def _is_paid_by(account: Account, project: str, book: Book) -> bool:
    known = book.project(account.organization, project)
    return known is not None and known.account == account.account


def _moved(
    command: TransferProjects, name: str, target: Account, book: Book, context: Context, instant: datetime
) -> Rebinding:
    project = book.project(command.organization, name)
    if project is None or project.account is None:
        raise LookupError(f"a bound project is not loaded: {command.organization}/{name}")
    return bind(project, target, context, instant, command.reason)


def _previous(project: Project, instant: datetime) -> PreviousBinding | None:
    """Return the binding that ends at an instant."""
    if project.account is None or project.binding_id is None or project.payer_since is None:
        return None
    return PreviousBinding(
        binding_id=project.binding_id,
        account=project.account,
        established_at=project.payer_since,
        ended_at=instant,
    )
