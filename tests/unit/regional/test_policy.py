"""What an operator offers."""

from typing import Annotated

import pytest
from pydantic import AfterValidator, BaseModel

from schemas.policy import OperatorPolicy, offered_currency
from schemas.scalars import CurrencyCode
from tests.unit.regional.places import faults


class Priced(BaseModel):
    currency: Annotated[CurrencyCode, AfterValidator(offered_currency)]


def test_the_operator_narrows_the_currencies() -> None:
    policy = OperatorPolicy(currencies=frozenset({"EUR"}))
    assert faults(Priced, {"currency": "EUR"}, policy) == {}
    assert list(faults(Priced, {"currency": "USD"}, policy)) == ["/currency"]
    assert faults(Priced, {"currency": "USD"}, OperatorPolicy()) == {}
    assert faults(Priced, {"currency": "USD"}) == {}


@pytest.mark.parametrize(
    ("kind", "country", "allowed"),
    (
        ("CreditCard", None, True),
        ("CreditCard", "CH", True),
        ("CreditCard", "DE", False),
        ("DirectDebit", "DE", True),
        ("DirectDebit", None, True),
        ("Invoice", "DE", False),
        ("Invoice", None, False),
    ),
)
def test_kinds_of_payment_profiles(kind: str, country: str | None, allowed: bool) -> None:
    policy = OperatorPolicy(
        payment_profile_kinds=frozenset({"CreditCard", "DirectDebit"}),
        payment_profile_kinds_by_country={"DE": frozenset({"DirectDebit", "Invoice"})},
    )
    assert policy.allows_payment_profile(kind, country) is allowed


def test_by_default_credit_cards_everywhere() -> None:
    assert OperatorPolicy().allows_payment_profile("CreditCard", "DE")
    assert not OperatorPolicy().allows_payment_profile("Invoice", "DE")
