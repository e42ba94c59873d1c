"""Creating and changing accounts, and placing holds (docs/contract.md section 5)."""

from dataclasses import fields, replace
from typing import Any

from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from domain.book import Book
from domain.decision import Context, Decision, rejected
from domain.notices import tell
from domain.phase import reassess
from domain.rules import allowed_profile, existing_account
from domain.state import Account, AccountContact
from schemas.commands import (
    AttachPaymentProfile,
    CreateAccount,
    DetachPaymentProfile,
    SuspendAccount,
    UpdateAccount,
)
from schemas.events import Hold, Phase
from schemas.results import Outcome, Reason, Violation, violation
from schemas.scalars import Patch, Wire
from schemas.violations import violations_of

_FIELDS = {field.name for field in fields(Account)}
_CREATED = [name for name in CreateAccount.model_fields if name in _FIELDS]
_UPDATED = [name for name in UpdateAccount.model_fields if name in _FIELDS]
"""Members that are fields of the account under the same name; the contact is stored separately."""


def create_account(command: CreateAccount, book: Book, context: Context) -> Decision:
    """Create an account under a name never used before in its organization."""
    broken = allowed_profile(book.payment_profile(command.organization, command.payment_profile), context.policy)
    if book.account(command.organization, command.account) is not None:
        message = "the organization has, or had, an account of this name: choose another"
        broken.append(violation(Reason.ACCOUNT_EXISTS, message, field="/account"))
    if broken:
        return rejected(broken)
    account = Account(**{name: _none_if_empty(getattr(command, name)) for name in _CREATED})
    contact = AccountContact(organization=account.organization, account=account.account, contact=command.contact)
    return decide_account(None, account, book, context, contact=contact if command.contact else None)


def update_account(command: UpdateAccount, book: Book, context: Context) -> Decision:
    """Replace the members given, merge terms and preferences, clear members that are null, and check the result."""
    account = book.account(command.organization, command.account)
    is_erasing = account is not None and account.phase is Phase.ARCHIVED and command.only_erases_contact
    missing = [] if is_erasing else existing_account(account)
    if missing or account is None:
        return rejected(missing)
    changed, malformed = _merged(account, command, context)
    if malformed:
        return rejected(malformed)
    broken = _update_rules(account, changed, command)
    if broken:
        return rejected(broken)
    contact = None
    if command.gives("contact") and command.contact != book.contact(account):
        contact = AccountContact(organization=account.organization, account=account.account, contact=command.contact)
    return decide_account(account, changed, book, context, contact=contact)


def attach_payment_profile(command: AttachPaymentProfile, book: Book, context: Context) -> Decision:
    """Attach a payment profile, replacing the current one; it need not be known or valid yet."""
    account = book.account(command.organization, command.account)
    broken = existing_account(account)
    if account is None or account.phase is not Phase.ARCHIVED:
        broken += allowed_profile(book.payment_profile(command.organization, command.payment_profile), context.policy)
    if broken or account is None:
        return rejected(broken)
    return decide_account(account, replace(account, payment_profile=command.payment_profile), book, context)


def detach_payment_profile(command: DetachPaymentProfile, book: Book, context: Context) -> Decision:
    """Detach the payment profile; if there is none, nothing changes."""
    account = book.account(command.organization, command.account)
    broken = existing_account(account)
    if broken or account is None:
        return rejected(broken)
    return decide_account(account, replace(account, payment_profile=None), book, context)


def suspend_account(command: SuspendAccount, book: Book, context: Context) -> Decision:
    """Place a hold. Repeating an active reason changes nothing except that it voids a request to lift that hold."""
    account = book.account(command.organization, command.account)
    broken = existing_account(account)
    if broken or account is None:
        return rejected(broken)
    if any(hold.reason == command.reason for hold in account.holds):
        holds = tuple(
            hold.model_copy(update={"reactivation": None}) if hold.reason == command.reason else hold
            for hold in account.holds
        )
    else:
        hold = Hold(reason=command.reason, message=command.message, by=context.sender, placed_at=context.now)
        holds = (*account.holds, hold)
    return decide_account(account, replace(account, holds=holds), book, context)


def decide_account(
    before: Account | None,
    changed: Account,
    book: Book,
    context: Context,
    *,
    contact: AccountContact | None = None,
    reason: str | None = None,
) -> Decision:
    """Return the decision on a changed account: its phase, its events and the notices to its projects."""
    profile = book.payment_profile(changed.organization, changed.payment_profile)
    transition = reassess(before, changed, profile, context, reason, is_touched=contact is not None)
    if transition is None:
        return Decision(Outcome.UNCHANGED)
    told = tell(transition.turn, book, context)
    return Decision(
        Outcome.APPLIED,
        changes=(*transition.changes, *([contact] if contact else []), *told.changes),
        events=(*transition.events, *told.events),
        deferred=told.deferred,
        deferred_count=told.deferred_count,
    )


def _merged(account: Account, command: UpdateAccount, context: Context) -> tuple[Account, list[Violation]]:
    """Return the updated account, and the violations where the merged members are malformed."""
    malformed: list[Violation] = []
    changed: dict[str, Any] = {}
    for name in filter(command.gives, _UPDATED):
        current, wanted = getattr(account, name), getattr(command, name)
        try:
            wanted = wanted.applied_to(current, context.policy) if isinstance(wanted, Patch) else wanted
        except ValidationError as error:
            malformed += violations_of(error, (to_camel(name),))
            continue
        if _none_if_empty(wanted) != _none_if_empty(current):
            changed[name] = _none_if_empty(wanted)
    if account.activated_at is not None and changed.get("payment_terms", account.payment_terms) is None:
        message = "cannot be cleared once the account was activated"
        malformed.append(violation(Reason.INVALID, message, field="/paymentTerms"))
    return replace(account, **changed), malformed


def _none_if_empty(value: Any) -> Any:
    """Return the value, or None for an object whose members are all None: empty preferences count as none."""
    is_empty = isinstance(value, Wire) and all(member is None for _, member in value)
    return None if is_empty else value


def _update_rules(account: Account, changed: Account, command: UpdateAccount) -> list[Violation]:
    broken = []
    if command.expected_version is not None and command.expected_version != account.version:
        message = f"the account is at version {account.version}: look at it, and decide again"
        broken.append(violation(Reason.PRECONDITION_FAILED, message, field="/expectedVersion"))
    if account.activated_at is not None and changed.currency_code != account.currency_code:
        message = f"the currency is {account.currency_code} for good, since the account was activated"
        broken.append(violation(Reason.CURRENCY_IMMUTABLE, message, field="/currencyCode"))
    return broken
