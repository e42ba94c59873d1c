"""The facts (contract, section 3), reported by the resource manager and payments; never refused, never answered."""

from typing import Annotated, Literal

from pydantic import Field

from whopays_client.values import Identifier, Instant, Part


class Fact(Part):
    """Base of all facts. `version` rises with every report about the same object."""

    organization: Identifier
    version: Annotated[int, Field(ge=1)]


class ProjectChanged(Fact):
    """A project is active, inactive or deleted. A different `uid` means a different project of the same name."""

    project: Identifier
    state: Literal["Active", "Inactive", "Deleted"]
    uid: str | None = None
    display_name: str | None = None


class PaymentProfileChanged(Fact):
    """A payment profile is valid, invalid or removed. `reference` is an opaque token, never a card number.

    `country` is ISO 3166-1 alpha-2; at `expires_at` a valid profile becomes invalid by itself.
    """

    payment_profile: Identifier
    kind: Literal["CreditCard", "DirectDebit", "BankTransfer", "Invoice"]
    state: Literal["Valid", "Invalid", "Removed"]
    reference: str | None = None
    country: str | None = None
    expires_at: Instant | None = None
    reason: str | None = None
