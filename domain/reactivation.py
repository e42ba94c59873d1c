"""Lifting holds by two people (docs/contract.md section 5): one states that the cause is resolved, another approves."""

from collections.abc import Sequence
from dataclasses import replace

from domain.accounts import decide_account
from domain.book import Book
from domain.decision import Context, Decision, rejected
from domain.rules import existing_account
from domain.state import Account
from schemas.commands import ApproveReactivation, RequestReactivation
from schemas.events import Hold, Reactivation
from schemas.people import is_same_person
from schemas.results import Reason, Violation, violation


def request_reactivation(command: RequestReactivation, book: Book, context: Context) -> Decision:
    """State that the cause of holds is resolved; a repeated request keeps the first requester."""
    account = book.account(command.organization, command.account)
    broken = existing_account(account) or _hold_rules(account, command.reasons)
    if broken or account is None:
        return rejected(broken)
    reasons = command.reasons or tuple(hold.reason for hold in account.holds)
    request = Reactivation(by=context.sender, resolution=command.resolution, requested_at=context.now)
    holds = tuple(
        hold.model_copy(update={"reactivation": request})
        if hold.reason in reasons and hold.reactivation is None
        else hold
        for hold in account.holds
    )
    return decide_account(account, replace(account, holds=holds), book, context)


def approve_reactivation(command: ApproveReactivation, book: Book, context: Context) -> Decision:
    """Lift holds whose reactivation someone else requested: all such, or those named if each was requested."""
    account = book.account(command.organization, command.account)
    broken = existing_account(account)
    if broken or account is None:
        return rejected(broken)
    chosen = _chosen(account.holds, command.reasons, context.sender)
    broken = _hold_rules(account, command.reasons)
    broken += _approval_rules(chosen, context.sender) if chosen or not broken else []
    if broken:
        return rejected(broken)
    holds = tuple(hold for hold in account.holds if hold not in chosen)
    return decide_account(account, replace(account, holds=holds), book, context)


def _hold_rules(account: Account | None, reasons: tuple[str, ...] | None) -> list[Violation]:
    active = {hold.reason for hold in account.holds} if account else set()
    if not active:
        return [violation(Reason.INVALID_TRANSITION, "the account has no hold", field="/account")]
    absent = sorted(set(reasons or ()) - active)
    if absent:
        message = f"the account has no hold for {', '.join(absent)}"
        return [violation(Reason.INVALID_TRANSITION, message, field="/reasons")]
    return []


def _chosen(holds: Sequence[Hold], reasons: tuple[str, ...] | None, sender: str) -> list[Hold]:
    """Return the named holds; if none are named, those that someone else resolved, or else the sender's own."""
    if reasons:
        return [hold for hold in holds if hold.reason in reasons]
    requested = [hold for hold in holds if hold.reactivation is not None]
    return [hold for hold in requested if not _is_requested_by(hold, sender)] or requested


def _is_requested_by(hold: Hold, sender: str) -> bool:
    return hold.reactivation is not None and is_same_person(hold.reactivation.by, sender)


def _approval_rules(chosen: list[Hold], sender: str) -> list[Violation]:
    if not chosen:
        message = "nobody stated that the cause is resolved: request the reactivation first"
        return [violation(Reason.CAUSE_UNRESOLVED, message)]
    broken = []
    for hold in chosen:
        if hold.reactivation is None:
            message = f"nobody stated that the cause of {hold.reason} is resolved: request its reactivation first"
            broken.append(violation(Reason.CAUSE_UNRESOLVED, message, field="/reasons"))
        elif _is_requested_by(hold, sender):
            message = f"the person who requested the reactivation of {hold.reason} cannot approve it: someone else must"
            broken.append(violation(Reason.SELF_APPROVAL, message))
    return broken
