"""The payment terms of a command are read strictly (docs/contract.md sections 5 and 6)."""

from typing import Any

import pytest

from schemas.terms import PaymentTerms
from tests.unit.schemas.building import CREATE, command, structured
from tests.unit.schemas.read_commands import broken, read


def test_defaults_of_terms() -> None:
    create = read("CreateAccount", CREATE | {"paymentTerms": {"latePaymentPenalty": {"annualPercent": "8"}}})
    assert (create.payment_terms.net_days, create.payment_terms.invoice_frequency) == (30, "Monthly")
    assert (create.payment_terms.invoice_day_of_month, create.payment_terms.early_payment_discount) == (1, None)
    assert create.payment_terms.late_payment_penalty.grace_days == 0


def test_null_is_absence_of_an_optional_member_of_terms() -> None:
    optional = ["netDays", "invoiceFrequency", "invoiceDayOfMonth", "earlyPaymentDiscount", "latePaymentPenalty"]
    create = read("CreateAccount", CREATE | {"paymentTerms": dict.fromkeys(optional)})
    assert create.payment_terms == PaymentTerms()
    penalty = {"latePaymentPenalty": {"annualPercent": "8", "graceDays": None}}
    assert read("CreateAccount", CREATE | {"paymentTerms": penalty}).payment_terms.late_payment_penalty.grace_days == 0


def test_the_bounds_of_terms() -> None:
    for within, net in ((1, 2), (29, 30), (364, 365)):
        terms = {"netDays": net, "earlyPaymentDiscount": {"percent": "99.999999", "withinDays": within}}
        assert read("CreateAccount", CREATE | {"paymentTerms": terms}).payment_terms.net_days == net
    for percent in ("0", "100", "0.000001"):
        penalty = {"latePaymentPenalty": {"annualPercent": percent}}
        assert read("CreateAccount", CREATE | {"paymentTerms": penalty})


@pytest.mark.parametrize("value", ("x", 1, True, [], ["netDays"]))
def test_terms_are_an_object(value: object) -> None:
    message = command(structured("CreateAccount", CREATE | {"paymentTerms": value}))
    assert [(v.field, v.message) for v in message.violations] == [("/paymentTerms", "must be an object")]


TERMS_REFUSED: dict[str, list[Any]] = {
    "/netDays": [0, 366, -1, 30.0, "30", True, [], 10**30],
    "/invoiceFrequency": ["monthly", "Weekly", "", 1, True],
    "/invoiceDayOfMonth": [0, 29, 1.0, "1"],
    "/earlyPaymentDiscount/percent": ["0", "-0", "100", "100.1", "-1", 2, 2.5, "2,5", "1e1", None],
    "/earlyPaymentDiscount/withinDays": [0, -1, 30, 31, 2.0, "3", None],
    "/latePaymentPenalty/annualPercent": ["-0.1", "100.000001", 8, None],
    "/latePaymentPenalty/graceDays": [-1, 1.0, "0", 2**40],
    "/earlyPaymentDiscount": ["x", 1, [], True],
    "/net_days": [30],
    "/netdays": [30],
    "/earlyPaymentDiscount/within_days": [3],
}


@pytest.mark.parametrize(("field", "value"), [(field, one) for field, wrong in TERMS_REFUSED.items() for one in wrong])
def test_terms_refused(field: str, value: Any) -> None:
    _, member, *rest = field.split("/")
    usual: dict[str, Any] = {
        "earlyPaymentDiscount": {"percent": "2", "withinDays": 5},
        "latePaymentPenalty": {"annualPercent": "8"},
    }
    terms: dict[str, Any] = {**usual, member: usual[member] | {rest[0]: value} if rest else value}
    assert broken("CreateAccount", CREATE | {"paymentTerms": terms}) == [("Invalid", f"/paymentTerms{field}")]
