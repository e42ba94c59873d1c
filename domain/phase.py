"""The account's phase (docs/contract.md section 4): always computed from the state, never set."""

from dataclasses import replace
from datetime import datetime
from typing import Literal

from domain.decision import Context
from domain.state import Account, Change, PaymentProfile, PhaseEntered
from schemas.events import AccountChanged, AccountPhaseChanged, Condition, ConditionType, NoticeKind, Phase, PhaseReason
from schemas.immutable import dataclass
from schemas.outgoing import Outgoing
from schemas.policy import OperatorPolicy

_MET = PhaseReason.REQUIREMENTS_MET
_MESSAGES = {
    PhaseReason.CREATED: "the account was created",
    PhaseReason.CONFIGURATION_MISSING: "a currency or payment terms are missing",
    PhaseReason.PAYMENT_PROFILE_MISSING: "no payment profile is attached",
    PhaseReason.PAYMENT_PROFILE_NOT_FOUND: "the attached payment profile is not known yet",
    PhaseReason.PAYMENT_PROFILE_INVALID: "the attached payment profile is not valid",
    PhaseReason.PAYMENT_PROFILE_EXPIRED: "the attached payment profile has expired",
    PhaseReason.PAYMENT_PROFILE_REMOVED: "the attached payment profile was removed",
    PhaseReason.PAYMENT_PROFILE_NOT_ALLOWED: "the attached payment profile is of a kind that is not accepted here",
    PhaseReason.PAYMENT_FAILURE: "on hold: a payment failed",
    PhaseReason.COMPLIANCE_VIOLATION: "on hold: rules were violated",
    PhaseReason.ADMINISTRATIVE: "on hold: an administrator's decision",
    PhaseReason.REQUIREMENTS_MET: "all requirements are met",
    PhaseReason.CLOSED: "the account is closed for good",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """A phase and its reason; `message` is for people."""

    phase: Phase
    reason: PhaseReason
    message: str


@dataclass(frozen=True, slots=True)
class Turn:
    """A change of phase of which each project bound at `instant` is notified once."""

    account: Account
    kind: NoticeKind
    reason: PhaseReason
    message: str
    instant: datetime


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of an account: its record and history, its events, and the turn to notify its projects of, if any."""

    changes: tuple[Change, ...]
    events: tuple[Outgoing, ...]
    turn: Turn | None


def reassess(
    before: Account | None,
    changed: Account,
    profile: PaymentProfile | None,
    context: Context,
    reason: str | None = None,
    *,
    is_touched: bool = False,
) -> Transition | None:
    """Compute the phase and conditions of a changed account, and its events.

    `before` is None for a new account; `profile` is the one attached to `changed`; `is_touched` means that the contact
    changed, which is stored separately. Return None if nothing changed. Each phase entered adds a history record and
    an `AccountPhaseChanged`; a single `AccountChanged` comes last.
    """
    # An archived account stays as it was when it closed, except that its contact can still be erased.
    is_closed = before is not None and before.phase is Phase.ARCHIVED
    account = changed if is_closed else _assessed(changed, profile, context.policy, context.now)
    if account == before and not is_touched:
        return None
    history: list[PhaseEntered] = []
    events: list[Outgoing] = []
    for entered in _entered(before, account):
        account, instant = _advanced(account, context)
        account = replace(account, phases=account.phases + 1)
        if entered.phase is Phase.READY and account.activated_at is None:
            account = replace(account, activated_at=instant)
        previous = history[-1].phase if history else before.phase if before else None
        history.append(_history(account, previous, entered, context, instant))
        told = AccountPhaseChanged.of(history[-1], holds=account.holds, cause=context.cause(reason))
        events.append(context.outgoing(told, account.key, instant, account.sequence))
    turn = _turn(before, account, history[-1]) if before and history else None
    account, instant = _advanced(replace(account, version=account.version + 1), context)
    changed_event = AccountChanged.of(account, cause=context.cause(reason))
    events.append(context.outgoing(changed_event, account.key, instant, account.sequence))
    return Transition((account, *history), tuple(events), turn)


def standing(account: Account, profile: PaymentProfile | None, policy: OperatorPolicy, now: datetime) -> Standing:
    """Return the phase that follows from an account, its attached profile and the operator's policy at an instant."""
    configuration, payment, holds = _findings(account, profile, policy, now)
    if account.phase is Phase.ARCHIVED:
        return Standing(Phase.ARCHIVED, PhaseReason.CLOSED, _MESSAGES[PhaseReason.CLOSED])
    if holds is not _MET:
        return Standing(Phase.SUSPENDED, holds, account.holds[0].message or _MESSAGES[holds])
    if configuration is not _MET:
        return Standing(Phase.PROVISIONING, configuration, _MESSAGES[configuration])
    if payment is not _MET:
        return Standing(Phase.INCOMPLETE, payment, _MESSAGES[payment])
    return Standing(Phase.READY, _MET, _MESSAGES[_MET])


def _findings(
    account: Account, profile: PaymentProfile | None, policy: OperatorPolicy, now: datetime
) -> tuple[PhaseReason, PhaseReason, PhaseReason]:
    configured = account.currency_code is not None and account.payment_terms is not None
    configuration = _MET if configured else PhaseReason.CONFIGURATION_MISSING
    holds = PhaseReason(account.holds[0].reason) if account.holds else _MET
    return configuration, _payment(account, profile, policy, now), holds


def _payment(account: Account, profile: PaymentProfile | None, policy: OperatorPolicy, now: datetime) -> PhaseReason:
    if account.payment_profile is None:
        return PhaseReason.PAYMENT_PROFILE_MISSING
    if profile is None:
        return PhaseReason.PAYMENT_PROFILE_NOT_FOUND
    if profile.state == "Removed":
        return PhaseReason.PAYMENT_PROFILE_REMOVED
    if not policy.allows_payment_profile(profile.kind, profile.country):
        return PhaseReason.PAYMENT_PROFILE_NOT_ALLOWED
    if profile.state == "Invalid":
        return PhaseReason.PAYMENT_PROFILE_INVALID
    if profile.expires_at is not None and profile.expires_at <= now:
        return PhaseReason.PAYMENT_PROFILE_EXPIRED
    return _MET


def _assessed(account: Account, profile: PaymentProfile | None, policy: OperatorPolicy, now: datetime) -> Account:
    current = standing(account, profile, policy, now)
    configuration, payment, holds = _findings(account, profile, policy, now)
    earlier = {condition.type: condition for condition in account.conditions}

    def condition(type_: ConditionType, reason: PhaseReason, message: str) -> Condition:
        status: Literal["True", "False"] = "True" if reason is _MET else "False"
        last = earlier.get(type_)
        since = last.last_transition_time if last and last.status == status else now
        return Condition(type=type_, status=status, reason=reason, message=message, last_transition_time=since)

    return replace(
        account,
        phase=current.phase,
        conditions=(
            condition("ConfigurationValid", configuration, _MESSAGES[configuration]),
            condition("PaymentProfileValid", payment, _MESSAGES[payment]),
            condition("NoHolds", holds, _MESSAGES[holds]),
            condition("Ready", current.reason, current.message),
        ),
    )


def _entered(before: Account | None, account: Account) -> list[Standing]:
    ready = account.conditions[-1]
    current = Standing(account.phase, ready.reason, ready.message)
    if before is not None:
        return [current] if current.phase is not before.phase else []
    created = Standing(Phase.PROVISIONING, PhaseReason.CREATED, _MESSAGES[PhaseReason.CREATED])
    return [created] if current.phase is Phase.PROVISIONING else [created, current]


def _advanced(account: Account, context: Context) -> tuple[Account, datetime]:
    return replace(account, sequence=account.sequence + 1), context.clock.next()


def _turn(before: Account, account: Account, entered: PhaseEntered) -> Turn | None:
    if account.phase is Phase.SUSPENDED:
        kind = NoticeKind.ACCOUNT_SUSPENDED
    elif account.phase is Phase.READY:
        kind = NoticeKind.ACCOUNT_READY
    elif before.phase is Phase.READY and account.phase is not Phase.ARCHIVED:
        kind = NoticeKind.ACCOUNT_NOT_READY
    else:
        return None
    return Turn(account, kind, entered.reason, entered.message, entered.entered_at)


def _history(
    account: Account, previous: Phase | None, entered: Standing, context: Context, instant: datetime
) -> PhaseEntered:
    return PhaseEntered(
        organization=account.organization,
        account=account.account,
        number=account.phases,
        previous_phase=previous,
        phase=entered.phase,
        reason=entered.reason,
        message=entered.message,
        by=context.sender,
        caused_by=context.origin.caused_by,
        entered_at=instant,
    )
