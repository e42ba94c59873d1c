"""What a refusal says to whoever asked: what is, and what would lift it (docs/contract.md section 6)."""

from typing import Any

import pytest

from tests.unit.domain.building import NOON, READY, Desk, bound_desk, ready_desk

BALANCE = {"outstanding": "0", "asOf": NOON.isoformat()}


def _desk() -> Desk:
    """Return a desk at which a pays for p1; c has nothing, d an unknown profile, and two profiles are not accepted."""
    desk = bound_desk()
    desk.create("c")
    desk.create("d", **READY | {"paymentProfile": "card-9"})
    desk.profile(payment_profile="debit", kind="DirectDebit")
    desk.profile(payment_profile="debit-de", kind="DirectDebit", country="DE")
    return desk


@pytest.mark.parametrize(
    ("name", "members", "message"),
    (
        ("BindProject", {"project": "p2", "account": "c"},
         "the account is Provisioning (ConfigurationMissing): it takes projects once it is Ready"),
        ("BindProject", {"project": "p2", "account": "d"},
         "the account is Incomplete (PaymentProfileNotFound): it takes projects once it is Ready"),
        ("BindProject", {"project": "p1", "account": "b", "expectedAccount": "b"}, "the current payer is a"),
        ("BindProject", {"project": "p2", "account": "b", "expectedAccount": "b"}, "the project has no payer"),
        ("AttachPaymentProfile", {"account": "a", "paymentProfile": "debit"},
         "a payment profile of the kind DirectDebit is not accepted; accepted are CreditCard"),
        ("AttachPaymentProfile", {"account": "a", "paymentProfile": "debit-de"},
         "a payment profile of the kind DirectDebit is not accepted in DE; accepted are CreditCard"),
        ("ReportBalance", {"account": "a", "currencyCode": "CHF", **BALANCE}, "the account's currency is USD"),
        ("ReportBalance", {"account": "c", "currencyCode": "CHF", **BALANCE},
         "the account's currency is not chosen yet"),
        ("UpdateAccount", {"account": "a", "expectedVersion": 9},
         "the account is at version 1: look at it, and decide again"),
    ),
)  # fmt: skip
def test_what_is_in_the_way(name: str, members: dict[str, Any], message: str) -> None:
    [broken] = _desk().command(name, **members).result.violations
    assert broken.message == message


@pytest.mark.parametrize("length", (1, 79, 80, 253))
def test_a_payer_is_named_within_a_hundred_characters(length: int) -> None:
    desk, name = ready_desk(), "b" * length
    if length > 1:
        desk.create(name, **READY)
    desk.bind("p1", name)
    [broken] = desk.bind("p1", "a", expectedAccount="c").result.violations
    whole = f"the current payer is {name}"
    assert broken.message == (whole if len(whole) <= 100 else f"{whole[:99]}…")
