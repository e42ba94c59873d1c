"""The commands (docs/contract.md section 5), read strictly: an unknown member refuses the command."""

import hashlib
import json
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from schemas.scalars import CurrencyCode, Identifier, NullIsAbsence, PlainDecimal, Text, Wire

HoldReason = Literal["PaymentFailure", "ComplianceViolation", "Administrative"]
InvoiceFrequency = Literal["Monthly", "Quarterly", "Annual"]


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

    percent: Annotated[PlainDecimal, AfterValidator(_discount_percent)]
    within_days: Annotated[int, Field(ge=1)]


class LatePaymentPenalty(Wire):
    """`annual_percent` (0 to 100) charged from `grace_days` after the due day."""

    annual_percent: Annotated[PlainDecimal, AfterValidator(_penalty_percent)]
    grace_days: Annotated[int, Field(ge=0, le=2**31 - 1), NullIsAbsence] = 0


class PaymentTerms(Wire):
    """When an account's invoices are written and due."""

    net_days: Annotated[int, Field(ge=1, le=365), NullIsAbsence] = 30
    invoice_frequency: Annotated[InvoiceFrequency, NullIsAbsence] = "Monthly"
    invoice_day_of_month: Annotated[int, Field(ge=1, le=28), NullIsAbsence] = 1
    early_payment_discount: EarlyPaymentDiscount | None = None
    late_payment_penalty: LatePaymentPenalty | None = None

    @model_validator(mode="after")
    def _discount_before_due(self) -> Self:
        discount = self.early_payment_discount
        if discount is not None and discount.within_days >= self.net_days:
            raise PydanticCustomError(
                "discount_before_due",
                "must be less than netDays",
                {"below": ("earlyPaymentDiscount", "withinDays")},
            )
        return self


class Command(Wire):
    """What every command carries. `null_has_meaning` names the members for which null is not absence."""

    null_has_meaning: ClassVar[frozenset[str]] = frozenset()

    organization: Identifier
    dry_run: Annotated[bool, NullIsAbsence] = False

    def fingerprint(self) -> bytes:
        """Give 32 bytes that are equal for commands of the same meaning (docs/contract.md section 6)."""
        # Defaults are left out, so that a member which a later version adds changes no earlier command's meaning.
        meaning = self.model_dump(mode="json", exclude={"dry_run"}, exclude_defaults=True)
        said = {name: getattr(self, name) for name in self.null_has_meaning & self.model_fields_set}
        return fingerprint(type(self).__name__, [meaning, said])


def fingerprint(kind: str, meaning: Any) -> bytes:
    """Give the SHA-256 of a kind of message and what it says, whatever the order of members."""
    # The standard library's writer, because a malformed command may hold integers beyond 64 bits.
    return hashlib.sha256(json.dumps([kind, meaning], sort_keys=True).encode()).digest()


class CreateAccount(Command):
    """Creates a billing account; names are never reused."""

    account: Identifier
    display_name: Text | None = None
    currency_code: CurrencyCode | None = None
    payment_terms: PaymentTerms | None = None
    payment_profile: Identifier | None = None


class AttachPaymentProfile(Command):
    """Replaces the account's payment profile; it need not be known or valid yet."""

    account: Identifier
    payment_profile: Identifier


class SuspendAccount(Command):
    """Places a hold; holds of different reasons are independent."""

    account: Identifier
    reason: HoldReason
    message: Text | None = None


class BindProject(Command):
    """Makes `account` the payer of `project` now. `expected_account`, when said, is a name or null for unbound."""

    null_has_meaning = frozenset({"expected_account"})

    project: Identifier
    account: Identifier
    expected_account: Identifier | None = None
    reason: Text | None = None

    @property
    def expects_payer(self) -> bool:
        """Tell whether the command says which account (or none) it takes for the current payer."""
        return "expected_account" in self.model_fields_set


COMMANDS: dict[str, type[Command]] = {
    command.__name__: command for command in (CreateAccount, AttachPaymentProfile, SuspendAccount, BindProject)
}
"""Every command by the name in its `type`."""
