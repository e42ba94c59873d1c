"""The facts (contract, section 3): what the resource manager and payments report. They are never refused, nor
answered.
"""

from typing import Annotated, Literal

from pydantic import Field

from whopays_client.values import Identifier, Instant, Part


class Fact(Part):
    """What every fact carries. `version` rises with every report about the same thing."""

    organization: Identifier
    version: Annotated[int, Field(ge=1)]


class ProjectChanged(Fact):
    """A project exists, rests, or is gone. Another `uid` is another project under the same name."""

    project: Identifier
    state: Literal["Active", "Inactive", "Deleted"]
    uid: str | None = None
    display_name: str | None = None


class PaymentProfileChanged(Fact):
    """A means of payment works, does not, or is gone. `reference` is an opaque token, never a card number.

    `country` is ISO 3166-1 alpha-2; at `expires_at` a valid profile becomes invalid by itself.
    """

    payment_profile: Identifier
    kind: Literal["CreditCard", "DirectDebit", "BankTransfer", "Invoice"]
    state: Literal["Valid", "Invalid", "Removed"]
    reference: str | None = None
    country: str | None = None
    expires_at: Instant | None = None
    reason: str | None = None
