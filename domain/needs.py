"""What a batch must know before it is decided: everything that its messages name."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from domain.dead_letters import Dead
from domain.state import Key
from schemas.commands import AttachPaymentProfile, BindProject, CreateAccount, SuspendAccount
from schemas.facts import PaymentProfileChanged, ProjectChanged
from schemas.reading import CommandMessage, FactMessage
from schemas.records import Record


@dataclass(slots=True)
class Needs:
    """Keys to load. Of `turning` accounts the projects that they pay for are needed too, since they may be told of a
    change of phase; of `reported_profiles` the accounts that they are attached to.
    """

    boundaries: set[str] = field(default_factory=set)
    accounts: set[Key] = field(default_factory=set)
    turning: set[Key] = field(default_factory=set)
    projects: set[Key] = field(default_factory=set)
    uids: set[tuple[str, str, str]] = field(default_factory=set)
    payment_profiles: set[Key] = field(default_factory=set)
    reported_profiles: set[Key] = field(default_factory=set)
    identities: set[tuple[str, str, str]] = field(default_factory=set)
    records: list[Record] = field(default_factory=list)


def needs_of(messages: Iterable[CommandMessage | FactMessage | Dead]) -> Needs:
    """Collect what the messages name."""
    needs = Needs()
    for message in messages:
        needs.records.append(message.record)
        match message:
            case CommandMessage():
                _of_command(message, needs)
            case FactMessage():
                _of_fact(message, needs)
            case Dead():
                needs.boundaries.add(message.boundary)
    return needs


def _of_command(message: CommandMessage, needs: Needs) -> None:
    organization = message.organization
    needs.boundaries.add(organization)
    if not message.dry_run:
        needs.identities.add((organization, message.event.source, message.event.id))
    match message.command:
        case BindProject(project=project, account=account):
            needs.projects.add((organization, project))
            needs.accounts.add((organization, account))
        case CreateAccount(account=account, payment_profile=payment_profile):
            needs.accounts.add((organization, account))
            if payment_profile is not None:
                needs.payment_profiles.add((organization, payment_profile))
        case AttachPaymentProfile(account=account, payment_profile=payment_profile):
            needs.accounts.add((organization, account))
            needs.turning.add((organization, account))
            needs.payment_profiles.add((organization, payment_profile))
        case SuspendAccount(account=account):
            needs.accounts.add((organization, account))
            needs.turning.add((organization, account))
        case _:
            pass


def _of_fact(message: FactMessage, needs: Needs) -> None:
    organization = message.fact.organization
    needs.boundaries.add(organization)
    match message.fact:
        case ProjectChanged(project=project, uid=uid):
            needs.projects.add((organization, project))
            if uid is not None:
                needs.uids.add((organization, project, uid))
        case PaymentProfileChanged(payment_profile=payment_profile):
            needs.payment_profiles.add((organization, payment_profile))
            needs.reported_profiles.add((organization, payment_profile))
        case _:
            pass
