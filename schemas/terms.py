"""Payment terms (docs/contract.md section 5): when an account's invoices are issued and due."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from schemas.forms import DISCOUNT_PERCENT, PENALTY_PERCENT
from schemas.scalars import NullIsAbsence, Patch, PlainDecimal, Wire

InvoiceFrequency = Literal["Monthly", "Quarterly", "Annual"]
NetDays = Annotated[int, Field(ge=1, le=365)]
DayOfMonth = Annotated[int, Field(ge=1, le=28)]


def _discount_percent(value: Decimal) -> Decimal:
    if not 0 < value < 100:
        raise PydanticCustomError("percent", "must be more than 0 and less than 100")
    return value


def _penalty_percent(value: Decimal) -> Decimal:
    if not 0 <= value <= 100:
        raise PydanticCustomError("percent", "must be from 0 to 100")
    return value


class EarlyPaymentDiscount(Wire):
    """`percent` off (above 0, below 100) when paid `within_days`."""

    percent: Annotated[PlainDecimal, AfterValidator(_discount_percent), DISCOUNT_PERCENT]
    within_days: Annotated[int, Field(ge=1)]


class LatePaymentPenalty(Wire):
    """`annual_percent` (0 to 100) charged from `grace_days` after the due day."""

    annual_percent: Annotated[PlainDecimal, AfterValidator(_penalty_percent), PENALTY_PERCENT]
    grace_days: Annotated[int, Field(ge=0, le=2**31 - 1), NullIsAbsence] = 0


def _discount_before_due(discount: EarlyPaymentDiscount | None, info: ValidationInfo) -> EarlyPaymentDiscount | None:
    # A field validator, so that this is reported together with other errors.
    net_days = info.data.get("net_days")
    if discount is not None and net_days is not None and discount.within_days >= net_days:
        raise PydanticCustomError("discount_before_due", "must be less than netDays", {"below": ("withinDays",)})
    return discount


class PaymentTerms(Wire):
    """Complete terms; what is left out has its default."""

    net_days: Annotated[NetDays, NullIsAbsence] = 30
    invoice_frequency: Annotated[InvoiceFrequency, NullIsAbsence] = "Monthly"
    invoice_day_of_month: Annotated[DayOfMonth, NullIsAbsence] = 1
    early_payment_discount: EarlyPaymentDiscount | None = None
    late_payment_penalty: LatePaymentPenalty | None = None

    _discount = field_validator("early_payment_discount")(_discount_before_due)


class PaymentTermsPatch(Patch):
    """Terms as an update gives them: each member given replaces, null takes it back to its default."""

    whole = PaymentTerms

    net_days: NetDays | None = None
    invoice_frequency: InvoiceFrequency | None = None
    invoice_day_of_month: DayOfMonth | None = None
    early_payment_discount: EarlyPaymentDiscount | None = None
    late_payment_penalty: LatePaymentPenalty | None = None

    _discount = field_validator("early_payment_discount")(_discount_before_due)
