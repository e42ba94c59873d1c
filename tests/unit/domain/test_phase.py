"""Every phase: configuration x payment profile x holds, enumerated (docs/contract.md section 4)."""

import itertools
from datetime import timedelta
from typing import Any

import pytest

from domain.decision import Clock, Context
from domain.phase import reassess, standing
from domain.state import Account, Origin, PaymentProfile
from schemas.events import Hold, Phase
from schemas.policy import OperatorPolicy
from schemas.terms import PaymentTerms
from tests.unit.domain.building import NOON

HOUR = timedelta(hours=1)
ORIGIN = Origin(caused_by="c-1", sender="alice")


def _profile(**changed: Any) -> PaymentProfile:
    usual: dict[str, Any] = {"kind": "CreditCard", "state": "Valid", "origin": ORIGIN} | changed
    return PaymentProfile(organization="acme", payment_profile="card-1", version=1, **usual)


# What the account has | what its phase is called missing for, where nothing goes before it.
CONFIGURATIONS: dict[str, tuple[dict[str, Any], str | None]] = {
    "nothing": ({}, "ConfigurationMissing"),
    "a currency": ({"currency_code": "USD"}, "ConfigurationMissing"),
    "terms": ({"payment_terms": PaymentTerms()}, "ConfigurationMissing"),
    "both": ({"currency_code": "USD", "payment_terms": PaymentTerms()}, None),
}
PROFILES: dict[str, tuple[str | None, PaymentProfile | None, str | None]] = {
    "none attached": (None, None, "PaymentProfileMissing"),
    "unknown": ("card-1", None, "PaymentProfileNotFound"),
    "valid": ("card-1", _profile(), None),
    "valid for an hour": ("card-1", _profile(expires_at=NOON + HOUR), None),
    "expiring now": ("card-1", _profile(expires_at=NOON), "PaymentProfileExpired"),
    "expired": ("card-1", _profile(expires_at=NOON - HOUR), "PaymentProfileExpired"),
    "invalid": ("card-1", _profile(state="Invalid"), "PaymentProfileInvalid"),
    "invalid and expired": ("card-1", _profile(state="Invalid", expires_at=NOON - HOUR), "PaymentProfileInvalid"),
    "removed": ("card-1", _profile(state="Removed"), "PaymentProfileRemoved"),
    "of another kind": ("card-1", _profile(kind="DirectDebit"), "PaymentProfileNotAllowed"),
    "of another kind and invalid": ("card-1", _profile(kind="Invoice", state="Invalid"), "PaymentProfileNotAllowed"),
    "of another kind and removed": ("card-1", _profile(kind="Invoice", state="Removed"), "PaymentProfileRemoved"),
}
REASONS = ("PaymentFailure", "ComplianceViolation", "Administrative")
HOLDS = [order for length in range(4) for order in itertools.permutations(REASONS, length)]


def _hold(reason: Any) -> Hold:
    return Hold(reason=reason, message=None, by="bob", placed_at=NOON)


def _context() -> Context:
    return Context(Clock(NOON), OperatorPolicy(), ORIGIN, is_command=True)


def _expected(configuration: str | None, payment: str | None, holds: tuple[str, ...]) -> tuple[str, str]:
    if holds:
        return "Suspended", holds[0]
    if configuration:
        return "Provisioning", configuration
    if payment:
        return "Incomplete", payment
    return "Ready", "RequirementsMet"


@pytest.mark.parametrize("payment", PROFILES)
def test_phase_and_conditions(payment: str) -> None:
    for configuration, holds in itertools.product(CONFIGURATIONS, HOLDS):
        _is_as_enumerated(configuration, payment, holds)


def _is_as_enumerated(configuration: str, payment: str, holds: tuple[str, ...]) -> None:
    configured, configuration_fault = CONFIGURATIONS[configuration]
    attached, profile, payment_fault = PROFILES[payment]
    account = Account(
        organization="acme", account="a", payment_profile=attached, holds=tuple(map(_hold, holds)), **configured
    )
    expected = _expected(configuration_fault, payment_fault, holds)

    found = standing(account, profile, OperatorPolicy(), NOON)
    assert (found.phase, found.reason) == expected

    transition = reassess(None, account, profile, _context())
    assert transition is not None
    reassessed = transition.changes[0]
    assert isinstance(reassessed, Account)
    assert reassessed.phase == expected[0]
    faults = [
        configuration_fault,
        payment_fault,
        holds[0] if holds else None,
        None if expected[0] == "Ready" else expected[1],
    ]
    assert [(c.type, c.status, c.reason) for c in reassessed.conditions] == [
        (type_, "False" if fault else "True", fault or "RequirementsMet")
        for type_, fault in zip(["ConfigurationValid", "PaymentProfileValid", "NoHolds", "Ready"], faults, strict=True)
    ]
    assert all(condition.message for condition in reassessed.conditions)


@pytest.mark.parametrize("payment", PROFILES)
def test_archived_is_for_good(payment: str) -> None:
    attached, profile, _ = PROFILES[payment]
    for configuration, holds in itertools.product(CONFIGURATIONS, ((), ("Administrative",))):
        account = Account(
            organization="acme",
            account="a",
            phase=Phase.ARCHIVED,
            payment_profile=attached,
            holds=tuple(map(_hold, holds)),
            **CONFIGURATIONS[configuration][0],
        )
        found = standing(account, profile, OperatorPolicy(), NOON)
        assert (found.phase, found.reason) == ("Archived", "Closed"), (configuration, holds)


@pytest.mark.parametrize("kind", ("CreditCard", "DirectDebit", "BankTransfer", "Invoice"))
def test_the_operator_says_which_kinds_count(kind: Any) -> None:
    account = Account(organization="acme", account="a", payment_profile="card-1", **CONFIGURATIONS["both"][0])
    for allowed in (frozenset[str](), frozenset({kind}), frozenset({"CreditCard", "Invoice"})):
        found = standing(account, _profile(kind=kind), OperatorPolicy(payment_profile_kinds=allowed), NOON)
        assert (found.phase is Phase.READY) is (kind in allowed)


@pytest.mark.parametrize(("message", "told"), (("see ticket 12", "see ticket 12"), (None, "on hold: a payment failed")))
def test_the_first_hold_speaks(message: str | None, told: str) -> None:
    first = _hold("PaymentFailure").model_copy(update={"message": message})
    account = Account(organization="acme", account="a", holds=(first, _hold("Administrative")))
    assert standing(account, None, OperatorPolicy(), NOON).message == told
