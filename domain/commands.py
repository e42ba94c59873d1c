"""Which rule answers which command (docs/contract.md section 5)."""

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
from domain.pending import answer_binding, cancel_scheduled_binding
from domain.reactivation import approve_reactivation, request_reactivation
from schemas.commands import (
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
from schemas.parsing import CommandMessage
from schemas.policy import OperatorPolicy


def decide(command: Command, message: CommandMessage, book: Book, context: Context, policy: OperatorPolicy) -> Decision:
    """Judge a well-formed command against the state."""
    match command:
        case BindProject():
            return answer_binding(command, message, book, context)
        case CancelScheduledBinding():
            return cancel_scheduled_binding(command, book)
        case TransferProjects():
            return transfer_projects(command, book, context)
        case SetDefaultAccount():
            return set_default_account(command, book)
        case CreateAccount():
            return create_account(command, book, context, policy)
        case UpdateAccount():
            return update_account(command, book, context, policy)
        case AttachPaymentProfile():
            return attach_payment_profile(command, book, context, policy)
        case DetachPaymentProfile():
            return detach_payment_profile(command, book, context, policy)
        case SuspendAccount():
            return suspend_account(command, book, context, policy)
        case RequestReactivation():
            return request_reactivation(command, book, context, policy)
        case ApproveReactivation():
            return approve_reactivation(command, book, context, policy)
        case ReportBalance():
            return report_balance(command, book, context)
        case RequestClosure():
            return request_closure(command, book, context, policy)
        case ApproveClosure():
            return approve_closure(command, book, context, policy)
        case WithdrawClosure():
            return withdraw_closure(command, book, context, policy)
        case _:
            raise NotImplementedError(type(command).__name__)
