"""Balances, and closing accounts by two people (docs/contract.md section 5, closure)."""

from dataclasses import replace
from datetime import timedelta

from domain.accounts import decide_account
from domain.blockers import blockers_of
from domain.book import Book
from domain.bound_projects import BoundProjects
from domain.decision import Context, Decision, rejected
from domain.rules import existing_account
from domain.state import Account, Balance, Organization
from schemas.commands import ApproveClosure, ReportBalance, RequestClosure, WithdrawClosure
from schemas.events import Closure, Phase
from schemas.listed import LISTED_PROJECTS
from schemas.people import is_same_person
from schemas.results import Outcome, Reason, Violation, violation

_CLOCK_TOLERANCE = timedelta(minutes=5)


def report_balance(command: ReportBalance, book: Book, context: Context) -> Decision:
    """Store the outstanding balance; the report with the latest instant counts. No event: the account is unchanged."""
    if command.as_of > context.now + _CLOCK_TOLERANCE:
        message = "is more than 5 minutes ahead of the clock"
        return rejected([violation(Reason.INVALID, message, field="/asOf")])
    account = book.account(command.organization, command.account)
    broken = existing_account(account)
    if account is not None and not broken and account.currency_code != command.currency_code:
        message = f"the account's currency is {account.currency_code or 'not chosen yet'}"
        broken.append(violation(Reason.CURRENCY_MISMATCH, message, field="/currencyCode"))
    if broken or account is None:
        return rejected(broken)
    reported = Balance(outstanding=command.outstanding, currency_code=command.currency_code, as_of=command.as_of)
    if account.balance is not None and (reported.as_of < account.balance.as_of or reported == account.balance):
        return Decision(Outcome.UNCHANGED)
    return Decision(Outcome.APPLIED, (replace(account, balance=reported),))


def request_closure(command: RequestClosure, book: Book, context: Context) -> Decision:
    """Request the closure of an account; a repeated request keeps the first requester."""
    account = book.account(command.organization, command.account)
    broken = existing_account(account)
    if account is not None and not broken:
        if account.closure is not None:
            return Decision(Outcome.UNCHANGED)
        broken = closure_blockers(account, book.bound_projects(account))
    if broken or account is None:
        return rejected(broken)
    closure = Closure(by=context.sender, reason=command.reason, requested_at=context.now)
    return decide_account(account, replace(account, closure=closure), book, context, reason=command.reason)


def approve_closure(command: ApproveClosure, book: Book, context: Context) -> Decision:
    """Close an account permanently, if someone else requested it and nothing blocks it now."""
    account = book.account(command.organization, command.account)
    broken = existing_account(account)
    if account is not None and not broken:
        broken = _approval_rules(account, book, context.sender)
    if broken or account is None:
        return rejected(broken)
    decision = decide_account(account, replace(account, phase=Phase.ARCHIVED), book, context)
    if book.default_account(account.organization) == account.account:
        cleared = Organization(organization=account.organization)
        return replace(decision, changes=(*decision.changes, cleared))
    return decision


def withdraw_closure(command: WithdrawClosure, book: Book, context: Context) -> Decision:
    """Withdraw the request for closure; if there is none, nothing changes."""
    account = book.account(command.organization, command.account)
    broken = existing_account(account)
    if broken or account is None:
        return rejected(broken)
    return decide_account(account, replace(account, closure=None), book, context)


def closure_blockers(account: Account, bound: BoundProjects) -> list[Violation]:
    """Return what blocks closure: projects that the account pays for, and charges that are, or may be, outstanding."""
    return [
        violation(Reason(one.reason), one.message, field="/account", blockers=one.blockers)
        for one in blockers_of(account.activated_at, account.balance, bound, LISTED_PROJECTS)
    ]


def _approval_rules(account: Account, book: Book, sender: str) -> list[Violation]:
    if account.closure is None:
        return [violation(Reason.INVALID_TRANSITION, "no closure of the account was requested: request it first")]
    broken = closure_blockers(account, book.bound_projects(account))
    if is_same_person(account.closure.by, sender):
        message = "the person who requested the closure cannot approve it: someone else must"
        broken.append(violation(Reason.SELF_APPROVAL, message))
    return broken
