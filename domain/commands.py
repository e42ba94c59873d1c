"""Every command with the rights its sender needs, the records to load before deciding it, and its rule.

The rules come from section 5 of docs/contract.md, the rights from section 12.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from domain.accounts import (
    attach_payment_profile,
    create_account,
    detach_payment_profile,
    suspend_account,
    update_account,
)
from domain.bindings import set_default_account, transfer_projects
from domain.book import Book
from domain.closure import approve_closure, report_balance, request_closure, withdraw_closure
from domain.decision import Context, Decision
from domain.needs import Needs
from domain.pending import answer_binding, cancel_scheduled_binding
from domain.reactivation import approve_reactivation, request_reactivation
from domain.rights import (
    ADMINISTERS,
    APPROVES,
    ATTACHES,
    BINDS,
    CHOOSES_DEFAULT,
    OWNS_PROJECT,
    REPORTS_BALANCE,
    SUSPENDS,
    TRANSFERS,
    Right,
)
from schemas.commands import (
    COMMANDS,
    AccountCommand,
    AnyCommand,
    ApproveClosure,
    ApproveReactivation,
    AttachPaymentProfile,
    BindProject,
    CancelScheduledBinding,
    Command,
    CreateAccount,
    DetachPaymentProfile,
    ReportBalance,
    RequestClosure,
    RequestReactivation,
    SetDefaultAccount,
    SuspendAccount,
    TransferProjects,
    UpdateAccount,
    WithdrawClosure,
)

C_contra = TypeVar("C_contra", bound=Command, contravariant=True)
D = TypeVar("D", bound=Command)
E = TypeVar("E", bound=Command)


@dataclass(frozen=True, slots=True)
class Rule(Generic[C_contra]):
    """How a command is decided: its sender needs all `rights`, `needs` adds the keys to load, `decide` decides it."""

    rights: tuple[Right, ...]
    needs: Callable[[C_contra, Needs], None]
    decide: Callable[[C_contra, Book, Context], Decision]


@dataclass(frozen=True, slots=True)
class Rules(Generic[C_contra]):
    """A table of rules. `|` joins two; its type names the commands of both, so the type checker finds a missing one."""

    by_command: Mapping[type[Command], Rule[Any]]

    def __or__(self: "Rules[D]", more: "Rules[E]") -> "Rules[D | E]":
        return Rules({**self.by_command, **more.by_command})


def _rule(
    command: type[D],
    rights: tuple[Right, ...],
    needs: Callable[[D, Needs], None],
    decide: Callable[[D, Book, Context], Decision],
) -> Rules[D]:
    return Rules({command: Rule(rights, needs, decide)})


def _account(command: AccountCommand, needs: Needs) -> None:
    key = (command.organization, command.account)
    needs.accounts.add(key)
    needs.turning.add(key)


def _account_and_profile(command: CreateAccount | AttachPaymentProfile, needs: Needs) -> None:
    _account(command, needs)
    if command.payment_profile is not None:
        needs.payment_profiles.add((command.organization, command.payment_profile))


def _account_and_contact(command: UpdateAccount, needs: Needs) -> None:
    _account(command, needs)
    needs.contacts.add((command.organization, command.account))


def _account_and_default(command: ApproveClosure, needs: Needs) -> None:
    _account(command, needs)
    needs.organizations.add(command.organization)


def _default_account(command: SetDefaultAccount, needs: Needs) -> None:
    needs.organizations.add(command.organization)
    if command.account is not None:
        needs.accounts.add((command.organization, command.account))


def _project(command: BindProject | CancelScheduledBinding, needs: Needs) -> None:
    needs.projects.add((command.organization, command.project))


def _project_and_account(command: BindProject, needs: Needs) -> None:
    _project(command, needs)
    needs.accounts.add((command.organization, command.account))


def _moving_projects(command: TransferProjects, needs: Needs) -> None:
    source = (command.organization, command.from_account)
    needs.accounts |= {source, (command.organization, command.to_account)}
    if command.projects is None:
        needs.emptied.add(source)
    else:
        needs.projects |= {(command.organization, project) for project in command.projects}


_EVERY = (
    _rule(BindProject, BINDS, _project_and_account, answer_binding)
    | _rule(CancelScheduledBinding, OWNS_PROJECT, _project, cancel_scheduled_binding)
    | _rule(TransferProjects, TRANSFERS, _moving_projects, transfer_projects)
    | _rule(SetDefaultAccount, CHOOSES_DEFAULT, _default_account, set_default_account)
    | _rule(CreateAccount, ADMINISTERS, _account_and_profile, create_account)
    | _rule(UpdateAccount, ADMINISTERS, _account_and_contact, update_account)
    | _rule(AttachPaymentProfile, ATTACHES, _account_and_profile, attach_payment_profile)
    | _rule(DetachPaymentProfile, ADMINISTERS, _account, detach_payment_profile)
    | _rule(SuspendAccount, SUSPENDS, _account, suspend_account)
    | _rule(RequestReactivation, ADMINISTERS, _account, request_reactivation)
    | _rule(ApproveReactivation, APPROVES, _account, approve_reactivation)
    | _rule(ReportBalance, REPORTS_BALANCE, _account, report_balance)
    | _rule(RequestClosure, ADMINISTERS, _account, request_closure)
    | _rule(ApproveClosure, APPROVES, _account_and_default, approve_closure)
    | _rule(WithdrawClosure, ADMINISTERS, _account, withdraw_closure)
)


def _table(rules: Rules[AnyCommand]) -> Mapping[type[Command], Rule[Any]]:
    """Return the rules by command. If one is missing, both the type check and the import fail."""
    missing = set(COMMANDS.values()) - rules.by_command.keys()
    if missing:
        raise LookupError(f"no rule decides {', '.join(sorted(command.__name__ for command in missing))}")
    return rules.by_command


RULES = _table(_EVERY)
