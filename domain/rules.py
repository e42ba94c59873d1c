"""Rules about accounts and payment profiles that several commands share."""

from domain.state import Account, PaymentProfile
from schemas.events import Phase
from schemas.policy import OperatorPolicy
from schemas.results import Reason, Violation, violation


def existing_account(account: Account | None, field: str = "/account") -> list[Violation]:
    """Check that the account exists in this organization and is not closed permanently."""
    if account is None:
        return [violation(Reason.ACCOUNT_NOT_FOUND, "the organization has no such account: create it", field=field)]
    if account.phase is Phase.ARCHIVED:
        return [violation(Reason.ACCOUNT_ARCHIVED, "the account is closed for good and read-only", field=field)]
    return []


def open_account(account: Account | None, field: str = "/account") -> list[Violation]:
    """Check that the account exists and that no closure of it is requested."""
    broken = existing_account(account, field)
    if broken or account is None or account.closure is None:
        return broken
    message = "the account's closure is requested: withdraw it, or choose another account"
    return [violation(Reason.ACCOUNT_CLOSING, message, field=field)]


def paying_account(account: Account | None, field: str = "/account") -> list[Violation]:
    """Check that the account can take projects: it exists, is Ready, and no closure is requested."""
    broken = open_account(account, field)
    if account is not None and account.phase not in (Phase.READY, Phase.ARCHIVED):
        why = account.conditions[-1].reason
        message = f"the account is {account.phase} ({why}): it takes projects once it is Ready"
        broken.append(violation(Reason.ACCOUNT_NOT_READY, message, field=field))
    return broken


def allowed_profile(profile: PaymentProfile | None, policy: OperatorPolicy) -> list[Violation]:
    """Check that a known payment profile is of a kind that the operator accepts (docs/contract.md section 9)."""
    if profile is None or policy.allows_payment_profile(profile.kind, profile.country):
        return []
    accepted = ", ".join(sorted(policy.payment_profile_kinds))
    where = f" in {profile.country}" if profile.country else ""
    message = f"a payment profile of the kind {profile.kind} is not accepted{where}; accepted are {accepted}"
    return [violation(Reason.UNSUPPORTED_PAYMENT_PROFILE, message, field="/paymentProfile")]
