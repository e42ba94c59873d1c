"""The commands (docs/contract.md section 5), read strictly: a command with an unknown member is rejected."""

import hashlib
import json
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, get_args

import orjson
from pydantic import AfterValidator, BaseModel, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from schemas.contact import Contact
from schemas.decimals import format_decimal
from schemas.forms import EACH_ONCE
from schemas.instants import format_instant
from schemas.preferences import Preferences, PreferencesPatch
from schemas.scalars import (
    CurrencyCode,
    Identifier,
    Instant,
    NullIsAbsence,
    Patch,
    PlainDecimal,
    Text,
    Version,
    Wire,
)
from schemas.strict_json import LongNumber
from schemas.terms import PaymentTerms, PaymentTermsPatch

LONGEST_WAIT_SECONDS = 3600

HoldReason = Literal["PaymentFailure", "ComplianceViolation", "Administrative"]


class Command(Wire):
    """Base of all commands. `null_has_meaning` names the members for which null does not count as absent."""

    null_has_meaning: ClassVar[frozenset[str]] = frozenset()

    organization: Identifier
    dry_run: Annotated[bool, NullIsAbsence] = False

    def fingerprint(self) -> bytes:
        """Return 32 bytes that are equal for commands of the same meaning (docs/contract.md section 6)."""
        # Defaults are left out, so that adding a member later does not change the fingerprints of earlier commands.
        meaning = {}
        for name, default in _members(type(self)):
            value = getattr(self, name)
            if name in self.model_fields_set if name in self.null_has_meaning else value != default:
                meaning[name] = _meaning(value)
        return fingerprint(type(self).__name__, meaning)


@cache
def _members(command: type[Command]) -> tuple[tuple[str, Any], ...]:
    return tuple((name, field.default) for name, field in command.model_fields.items() if name != "dry_run")


def fingerprint(kind: str, meaning: Any) -> bytes:
    """Return the SHA-256 of a kind of message and its content, independent of the order of members."""
    try:
        written = orjson.dumps([kind, meaning], option=orjson.OPT_SORT_KEYS)
    except TypeError:
        # A malformed command may contain integers beyond 64 bits, which only the standard library can write.
        written = json.dumps([kind, _in_full(meaning)], sort_keys=True).encode()
    return hashlib.sha256(written).digest()


def _in_full(said: Any) -> Any:
    """Return the value with long numbers as text: rounded to floats, different ones would become equal."""
    match said:
        case LongNumber(digits=digits):
            return f"the number {digits}"
        case list():
            return [_in_full(item) for item in said]
        case dict():
            return {name: _in_full(item) for name, item in said.items()}
        case _:
            return said


def told(fingerprint: bytes) -> str:
    """Return a fingerprint as results show it: enough of it to distinguish commands under the same id."""
    return fingerprint[:8].hex()


def _meaning(value: Any) -> Any:
    match value:
        case str():
            return value
        case Patch():
            return {name: _meaning(getattr(value, name)) for name in value.model_fields_set}
        case BaseModel():
            return value.model_dump(mode="json", exclude_defaults=True)
        case tuple():
            return [_meaning(item) for item in value]
        case Decimal():
            return format_decimal(value)
        case datetime():
            return format_instant(value)
        case _:
            return value


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names or len(set(names)) != len(names):
        raise PydanticCustomError("each_once", "must have at least one entry, and none twice")
    return names


HoldReasons = Annotated[
    tuple[HoldReason, ...], Field(strict=False, json_schema_extra=EACH_ONCE), AfterValidator(_each_once)
]
ProjectNames = Annotated[
    tuple[Identifier, ...], Field(strict=False, json_schema_extra=EACH_ONCE), AfterValidator(_each_once)
]


class AccountCommand(Command):
    """Base of all commands to one account."""

    account: Identifier


class CreateAccount(AccountCommand):
    """Creates a billing account; names are never reused."""

    display_name: Text | None = None
    currency_code: CurrencyCode | None = None
    payment_terms: PaymentTerms | None = None
    payment_profile: Identifier | None = None
    preferences: Preferences | None = None
    contact: Contact | None = None


class UpdateAccount(AccountCommand):
    """Replaces the members given; the first level of terms and preferences merges; null clears."""

    null_has_meaning = frozenset({"display_name", "currency_code", "payment_terms", "preferences", "contact"})

    display_name: Text | None = None
    currency_code: CurrencyCode | None = None
    payment_terms: PaymentTermsPatch | None = None
    preferences: PreferencesPatch | None = None
    contact: Contact | None = None
    expected_version: Version | None = None

    def gives(self, member: str) -> bool:
        """Return whether the command contains a member, even if null."""
        return member in self.model_fields_set

    @property
    def only_erases_contact(self) -> bool:
        """Whether the command only clears the contact: a null `expectedVersion` expects none."""
        given = self.model_fields_set - {"organization", "account", "dry_run", "expected_version"}
        return given == {"contact"} and self.contact is None and self.expected_version is None


class AttachPaymentProfile(AccountCommand):
    """Replaces the account's payment profile; it need not be known or valid yet."""

    payment_profile: Identifier


class DetachPaymentProfile(AccountCommand):
    """Takes the payment profile away."""


class SuspendAccount(AccountCommand):
    """Places a hold; holds of different reasons are independent."""

    reason: HoldReason
    message: Text | None = None


class RequestReactivation(AccountCommand):
    """States that the cause of holds (default: all) is resolved."""

    resolution: Text
    reasons: HoldReasons | None = None


class ApproveReactivation(AccountCommand):
    """Lifts holds (default: all requested) whose reactivation someone else requested."""

    reasons: HoldReasons | None = None


class ReportBalance(AccountCommand):
    """What invoicing says is still owed at an instant."""

    outstanding: PlainDecimal
    currency_code: CurrencyCode
    as_of: Instant


class RequestClosure(AccountCommand):
    """Asks to close the account for good."""

    reason: Text | None = None


class ApproveClosure(AccountCommand):
    """Closes the account for good, if someone else asked for it and nothing blocks it."""


class WithdrawClosure(AccountCommand):
    """Takes back the request to close the account."""


class BindProject(Command):
    """Makes `account` the payer of `project`, now or at `effective_at`.

    `expected_account`, when said, is a name or null for unbound. `wait_seconds` (0 to 3600) is the patience for a
    project or account that is not known, or an account that is not Ready, yet.
    """

    null_has_meaning = frozenset({"expected_account"})

    project: Identifier
    account: Identifier
    expected_account: Identifier | None = None
    effective_at: Instant | None = None
    wait_seconds: Annotated[int, Field(ge=0, le=LONGEST_WAIT_SECONDS), NullIsAbsence] = 0
    reason: Text | None = None

    @property
    def expects_payer(self) -> bool:
        """Whether the command states which account, if any, it expects to be the current payer."""
        return "expected_account" in self.model_fields_set

    # A field validator, so that this is reported together with other errors.
    @field_validator("wait_seconds")
    @classmethod
    def _appointed_or_patient(cls, seconds: int, info: ValidationInfo) -> int:
        if info.data.get("effective_at") is not None and seconds > 0:
            raise PydanticCustomError("appointed_or_patient", "must be 0 beside effectiveAt")
        return seconds


class CancelScheduledBinding(Command):
    """Calls off the project's scheduled binding."""

    project: Identifier


class TransferProjects(Command):
    """Rebinds all (or the listed) projects of an account to another, all or nothing, at one instant."""

    from_account: Identifier
    to_account: Identifier
    projects: ProjectNames | None = None
    reason: Text | None = None

    # A field validator, so that this is reported together with other errors.
    @field_validator("to_account")
    @classmethod
    def _another_account(cls, to_account: str, info: ValidationInfo) -> str:
        if info.data.get("from_account") == to_account:
            raise PydanticCustomError("another_account", "must be another account than fromAccount")
        return to_account


class SetDefaultAccount(Command):
    """Chooses the account that pays for projects which become Active without a payer; null for none."""

    account: Identifier | None


AnyCommand = (
    CreateAccount
    | UpdateAccount
    | AttachPaymentProfile
    | DetachPaymentProfile
    | SuspendAccount
    | RequestReactivation
    | ApproveReactivation
    | ReportBalance
    | RequestClosure
    | ApproveClosure
    | WithdrawClosure
    | BindProject
    | CancelScheduledBinding
    | TransferProjects
    | SetDefaultAccount
)
"""Every command, so that the type checker finds one that is not handled."""

COMMANDS: dict[str, type[AnyCommand]] = {command.__name__: command for command in get_args(AnyCommand)}
"""Every command by the name in its `type`."""
