"""The account commands (docs/contract.md section 5): what each needs, and what it changes."""

from dataclasses import replace

from domain.book import Book
from domain.decision import Context, Decision, Policy, rejected
from domain.notices import turn_notices
from domain.phase import settle
from domain.state import Account, PaymentProfile
from schemas.commands import AttachPaymentProfile, CreateAccount, SuspendAccount
from schemas.events import Hold, Phase
from schemas.results import Outcome, Reason, Violation, violation


def create_account(command: CreateAccount, book: Book, context: Context, policy: Policy) -> Decision:
    """Create an account under a name that was never used before in its organization."""
    profile = book.payment_profile(command.organization, command.payment_profile)
    broken = _profile_rules(profile, policy)
    if book.account(command.organization, command.account) is not None:
        message = "the organization has, or had, an account of this name: choose another"
        broken.append(violation(Reason.ACCOUNT_EXISTS, message, field="/account"))
    if broken:
        return rejected(broken, account=command.account)
    account = Account(
        organization=command.organization,
        account=command.account,
        display_name=command.display_name,
        currency_code=command.currency_code,
        payment_terms=command.payment_terms,
        payment_profile=command.payment_profile,
    )
    return _settled(None, account, book, context, policy)


def attach_payment_profile(command: AttachPaymentProfile, book: Book, context: Context, policy: Policy) -> Decision:
    """Attach a payment profile in place of the present one; it need not be known or valid yet."""
    account = book.account(command.organization, command.account)
    profile = book.payment_profile(command.organization, command.payment_profile)
    broken = [*_existing_account_rules(account)]
    if account is None or account.phase is not Phase.ARCHIVED:
        broken += _profile_rules(profile, policy)
    if broken or account is None:
        return rejected(broken, account=command.account)
    changed = replace(account, payment_profile=command.payment_profile)
    return _settled(account, changed, book, context, policy)


def suspend_account(command: SuspendAccount, book: Book, context: Context, policy: Policy) -> Decision:
    """Place a hold; the same reason again changes nothing, whatever its message."""
    account = book.account(command.organization, command.account)
    broken = _existing_account_rules(account)
    if broken or account is None:
        return rejected(broken, account=command.account)
    if any(hold.reason == command.reason for hold in account.holds):
        return Decision(Outcome.UNCHANGED, account=command.account)
    hold = Hold(reason=command.reason, message=command.message, by=context.sender, placed_at=context.now)
    return _settled(account, replace(account, holds=(*account.holds, hold)), book, context, policy)


def _existing_account_rules(account: Account | None) -> list[Violation]:
    if account is None:
        return [
            violation(Reason.ACCOUNT_NOT_FOUND, "the organization has no such account: create it", field="/account")
        ]
    if account.phase is Phase.ARCHIVED:
        return [violation(Reason.ACCOUNT_ARCHIVED, "the account is closed for good and read-only", field="/account")]
    return []


def _profile_rules(profile: PaymentProfile | None, policy: Policy) -> list[Violation]:
    if profile is None or policy.allows(profile):
        return []
    accepted = ", ".join(sorted(policy.payment_profile_kinds))
    message = f"a payment profile of the kind {profile.kind} is not accepted here, only {accepted}"
    return [violation(Reason.UNSUPPORTED_PAYMENT_PROFILE, message, field="/paymentProfile")]


def _settled(before: Account | None, changed: Account, book: Book, context: Context, policy: Policy) -> Decision:
    profile = book.payment_profile(changed.organization, changed.payment_profile)
    transition = settle(before, changed, profile, policy, context)
    if transition is None:
        return Decision(Outcome.UNCHANGED, account=changed.account)
    notices = turn_notices(transition.turn, book.bound_projects(changed), context)
    return Decision(
        Outcome.APPLIED,
        changes=transition.changes,
        events=(*transition.events, *notices),
        account=changed.account,
    )
