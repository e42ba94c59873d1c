"""The contact of an account (docs/contract.md section 5): personal data, never quoted in messages or logs."""

from collections.abc import Iterable
from typing import Annotated, Any

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from schemas.forms import EMAIL, LINE, PHONE
from schemas.languages import LanguageTag
from schemas.policy import is_stored
from schemas.scalars import CountryCode, Text, Wire

MAX_EMAILS = 10

# A plus sign and 15 digits: E.164 ends there, while the library knows longer numbers of some national plans.
_LONGEST_PHONE = 16


def _not_blank(value: str) -> str:
    if not value.strip():
        raise PydanticCustomError("not_blank", "must not be blank")
    return value


def _one_to_ten(value: Any) -> Any:
    # Counted before the addresses are validated: afterwards, a list whose only address is wrong would count as empty.
    if isinstance(value, list | tuple) and not 1 <= len(value) <= MAX_EMAILS:
        raise PydanticCustomError("emails", "must be a list of 1 to {most} addresses", {"most": MAX_EMAILS})
    return value


def _email(value: str, info: ValidationInfo) -> str:
    if is_stored(info):
        return value
    try:
        # The syntax alone, without network access. Nothing is sent to it, so domains reserved for tests are fine.
        return validate_email(value, strict=True, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError:
        raise PydanticCustomError("email", "must be an e-mail address") from None


def _phone(value: str, info: ValidationInfo) -> str:
    if is_stored(info):
        return value
    # Imported with the first number: workers that see none start faster.
    import phonenumbers  # noqa: PLC0415

    try:
        number = phonenumbers.parse(value)
    except phonenumbers.NumberParseException:
        number = None
    # Possible rather than assigned, as numbering plans grow faster than tables. Equal, as E.164 has only one spelling.
    if (
        number is None
        or len(value) > _LONGEST_PHONE
        or phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE
        or phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) != value
    ):
        raise PydanticCustomError("phone", "must be a telephone number in E.164 form such as +41445550100")
    return value


Line = Annotated[Text, AfterValidator(_not_blank), LINE]
EmailAddress = Annotated[str, AfterValidator(_email), EMAIL]
EmailAddresses = Annotated[
    tuple[EmailAddress, ...],
    Field(strict=False, json_schema_extra={"minItems": 1, "maxItems": MAX_EMAILS}),
    BeforeValidator(_one_to_ten),
]
PhoneNumber = Annotated[str, AfterValidator(_phone), PHONE]


class Personal(Wire):
    """Base of personal data: logs and tracebacks show only its class."""

    model_config = ConfigDict(hide_input_in_errors=True)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        return ()


class Address(Personal):
    """A postal address."""

    line1: Line
    line2: Text | None = None
    postal_code: Text | None = None
    city: Line
    country: CountryCode


class AccountingContact(Personal):
    """Who keeps the books."""

    name: Line
    emails: EmailAddresses


class Contact(Personal):
    """Who answers for the account."""

    name: Line
    emails: EmailAddresses
    phone: PhoneNumber | None = None
    address: Address | None = None
    accounting_contact: AccountingContact | None = None
    language: LanguageTag | None = None
