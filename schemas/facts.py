"""Facts reported by other services (docs/contract.md section 3), read tolerantly: unknown members are ignored."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from schemas.forms import text_form
from schemas.scalars import CountryCode, Identifier, Instant, Text, Version, Wire

ProjectState = Literal["Active", "Inactive", "Deleted"]
PaymentProfileKind = Literal["CreditCard", "DirectDebit", "BankTransfer", "Invoice"]
PaymentProfileState = Literal["Valid", "Invalid", "Removed"]


class Fact(Wire):
    """Base of all facts."""

    model_config = ConfigDict(extra="ignore")

    organization: Identifier
    version: Version


class ProjectChanged(Fact):
    """The resource manager reports a project; `version` rises per project and `uid`."""

    project: Identifier
    state: ProjectState
    uid: Annotated[Text, Field(min_length=1), text_form(least=1)] | None = None
    display_name: Text | None = None


class PaymentProfileChanged(Fact):
    """Payments reports a payment profile; `reference` is an opaque token, never a card number."""

    payment_profile: Identifier
    kind: PaymentProfileKind
    state: PaymentProfileState
    reference: Text | None = None
    country: CountryCode | None = None
    expires_at: Instant | None = None
    reason: Text | None = None


AnyFact = ProjectChanged | PaymentProfileChanged
"""Every fact, so that the type checker finds one that is not handled."""
