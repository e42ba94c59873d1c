"""The commands (contract, section 5). Each requests a change to one organization, and is answered by results.

Members that are not given are left out. Only malformed commands are refused here; whopays decides what is allowed.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from whopays_client.accounts import Contact, PaymentTerms, PaymentTermsPatch, Preferences, PreferencesPatch
from whopays_client.values import CLEAR, NOBODY, Amount, Clear, Identifier, Instant, Nobody, Null, WithNull

HoldReason = Literal["PaymentFailure", "ComplianceViolation", "Administrative"]


class Command(WithNull):
    """Base of all commands. `dry_run`: report what would happen, without changing anything."""

    organization: Identifier
    dry_run: bool = False


class CreateAccount(Command):
    """Create a billing account. Its name is never reused, even after the account is archived."""

    account: Identifier
    display_name: str | None = None
    currency_code: str | None = None
    """Active ISO 4217 code in capitals, such as `EUR`."""
    payment_terms: PaymentTerms | None = None
    payment_profile: Identifier | None = None
    preferences: Preferences | None = None
    contact: Contact | None = None


class UpdateAccount(Command):
    """Replace the members given, and remove those that are `CLEAR`; terms and preferences merge.

    `expected_version`: reject unless the account still has this version (from `AccountChanged`).
    """

    nulls: ClassVar[dict[str, Null]] = dict.fromkeys(
        ("displayName", "currencyCode", "paymentTerms", "preferences", "contact"), CLEAR
    )

    account: Identifier
    display_name: str | Clear | None = None
    currency_code: str | Clear | None = None
    payment_terms: PaymentTermsPatch | Clear | None = None
    preferences: PreferencesPatch | Clear | None = None
    contact: Contact | Clear | None = None
    expected_version: Annotated[int, Field(ge=1)] | None = None


class AttachPaymentProfile(Command):
    """Attach a payment profile to an account, replacing its current one."""

    account: Identifier
    payment_profile: Identifier


class DetachPaymentProfile(Command):
    """Detach the payment profile of an account."""

    account: Identifier


class SuspendAccount(Command):
    """Place a hold on an account; holds of different reasons are independent."""

    account: Identifier
    reason: HoldReason
    message: str | None = None


class RequestReactivation(Command):
    """State that the cause of holds (default: all that are active) is resolved."""

    account: Identifier
    resolution: str
    reasons: Annotated[tuple[HoldReason, ...], Field(min_length=1)] | None = None


class ApproveReactivation(Command):
    """Lift holds (default: all) whose reactivation someone else requested."""

    account: Identifier
    reasons: Annotated[tuple[HoldReason, ...], Field(min_length=1)] | None = None


class ReportBalance(Command):
    """Report what an account still owed at an instant, in its currency."""

    account: Identifier
    outstanding: Amount
    currency_code: str
    as_of: Instant


class RequestClosure(Command):
    """Request that an account be closed permanently."""

    account: Identifier
    reason: str | None = None


class ApproveClosure(Command):
    """Close an account permanently, as someone else requested."""

    account: Identifier


class WithdrawClosure(Command):
    """Withdraw the request to close an account."""

    account: Identifier


class BindProject(Command):
    """Make `account` the payer of `project`, now or at `effective_at`.

    `expected_account`: reject unless this account, or `NOBODY`, is the current payer. `wait_seconds` (0 to 3600): how
    long to wait for a project or account that is not known yet, or an account that is not Ready yet; not together with
    `effective_at`.
    """

    nulls: ClassVar[dict[str, Null]] = {"expectedAccount": NOBODY}

    project: Identifier
    account: Identifier
    expected_account: Identifier | Nobody | None = None
    effective_at: Instant | None = None
    wait_seconds: Annotated[int, Field(ge=0, le=3600)] = 0
    reason: str | None = None


class CancelScheduledBinding(Command):
    """Cancel the binding that is scheduled for a project."""

    project: Identifier


class TransferProjects(Command):
    """Rebind all projects of an account, or those listed, to another account: all or nothing, at one instant."""

    from_account: Identifier
    to_account: Identifier
    projects: Annotated[tuple[Identifier, ...], Field(min_length=1)] | None = None
    reason: str | None = None


class SetDefaultAccount(Command):
    """Choose the account, or `NOBODY`, that pays for projects that become Active without a payer."""

    nulls: ClassVar[dict[str, Null]] = {"account": NOBODY}

    account: Identifier | Nobody
