"""What a batch must know before it is decided: everything that its messages name."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from domain.dead_letters import Dead
from domain.messages import Due, DueKind, Message
from domain.state import Key
from schemas import commands
from schemas.facts import PaymentProfileChanged, ProjectChanged
from schemas.parsing import CommandMessage, FactMessage
from schemas.records import Record


@dataclass(slots=True)
class Needs:
    """Keys to load.

    Of `turning` accounts the projects that they pay for are needed too: they may be told of a change of phase, or keep
    the account open. Of `emptied` accounts they are needed whole, since they move. Of `reported_profiles` the accounts
    that they are attached to are needed. `contacts` are accounts whose contact matters, `fan_outs` those that are due.
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
    identities: set[tuple[str, str, str]] = field(default_factory=set)
    records: list[Record] = field(default_factory=list)


def needs_of(messages: Iterable[Message]) -> Needs:
    """Collect what the messages name."""
    needs = Needs()
    for message in messages:
        match message:
            case CommandMessage():
                needs.records.append(message.record)
                _of_command(message, needs)
            case FactMessage():
                needs.records.append(message.record)
                _of_fact(message, needs)
            case Dead():
                needs.records.append(message.record)
                needs.boundaries.add(message.boundary)
            case Due():
                _of_due(message, needs)
    return needs


def _of_command(message: CommandMessage, needs: Needs) -> None:
    organization = message.organization
    needs.boundaries.add(organization)
    if not message.dry_run:
        needs.identities.add((organization, message.event.source, message.event.id))
    match message.command:
        case commands.BindProject(project=project, account=account):
            needs.projects.add((organization, project))
            needs.accounts.add((organization, account))
        case commands.CancelScheduledBinding(project=project):
            needs.projects.add((organization, project))
        case commands.TransferProjects(from_account=source, to_account=target, projects=projects):
            needs.accounts |= {(organization, source), (organization, target)}
            if projects is None:
                needs.emptied.add((organization, source))
            else:
                needs.projects |= {(organization, project) for project in projects}
        case commands.SetDefaultAccount(account=account):
            needs.organizations.add(organization)
            if account is not None:
                needs.accounts.add((organization, account))
        case commands.ApproveClosure(account=account):
            needs.organizations.add(organization)
            _of_account((organization, account), needs)
        case commands.CreateAccount(account=account, payment_profile=payment_profile):
            _of_account((organization, account), needs)
            if payment_profile is not None:
                needs.payment_profiles.add((organization, payment_profile))
        case commands.UpdateAccount(account=account):
            _of_account((organization, account), needs)
            needs.contacts.add((organization, account))
        case commands.AttachPaymentProfile(account=account, payment_profile=payment_profile):
            _of_account((organization, account), needs)
            needs.payment_profiles.add((organization, payment_profile))
        case None:
            pass
        case (
            commands.DetachPaymentProfile(account=account)
            | commands.SuspendAccount(account=account)
            | commands.RequestReactivation(account=account)
            | commands.ApproveReactivation(account=account)
            | commands.ReportBalance(account=account)
            | commands.RequestClosure(account=account)
            | commands.WithdrawClosure(account=account)
        ):
            _of_account((organization, account), needs)
        case _:
            raise NotImplementedError(type(message.command).__name__)


def _of_account(account: Key, needs: Needs) -> None:
    needs.accounts.add(account)
    needs.turning.add(account)


def _of_fact(message: FactMessage, needs: Needs) -> None:
    organization = message.fact.organization
    needs.boundaries.add(organization)
    match message.fact:
        case ProjectChanged(project=project, uid=uid):
            needs.organizations.add(organization)
            needs.projects.add((organization, project))
            if uid is not None:
                needs.uids.add((organization, project, uid))
        case PaymentProfileChanged(payment_profile=payment_profile):
            needs.payment_profiles.add((organization, payment_profile))
            needs.reported_profiles.add((organization, payment_profile))
        case _:
            raise NotImplementedError(type(message.fact).__name__)


def _of_due(due: Due, needs: Needs) -> None:
    needs.boundaries.add(due.organization)
    key = (due.organization, due.name)
    match due.kind:
        case DueKind.SCHEDULED_BINDING | DueKind.WAITING_BINDING:
            needs.projects.add(key)
        case DueKind.PAYMENT_PROFILE:
            needs.payment_profiles.add(key)
            needs.reported_profiles.add(key)
        case DueKind.FAN_OUT:
            needs.fan_outs.add(key)
