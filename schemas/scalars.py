"""The scalar types of messages (docs/contract.md section 2), each strict and in one canonical form."""

import re
import unicodedata
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationInfo
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError, PydanticUseDefault

from schemas.currencies import INVOICE_CURRENCIES
from schemas.decimals import format_decimal
from schemas.forms import DECIMAL, IDENTIFIER, INSTANT, TEXT, code_form
from schemas.identifiers import IDENTIFIER_RULE, is_identifier
from schemas.instants import format_instant, parse_instant
from schemas.policy import OperatorPolicy, is_stored, offered_currency
from schemas.territories import COUNTRIES

TEXT_MAX_CODE_POINTS = 500
DECIMAL_MAX_DIGITS = 18
DECIMAL_MAX_PLACES = 6

# NFC merges at most four code points into one, so a longer text is too long whatever it normalizes to.
_MOST_BEFORE_COMPOSING = 4 * TEXT_MAX_CODE_POINTS
_UNWANTED = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_PLAIN_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(?:\.([0-9]+))?")


class Wire(BaseModel):
    """Base of all messages: immutable, strictly typed, camelCase on the wire and snake_case in the code."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        alias_generator=to_camel,
        serialize_by_alias=True,
        validate_by_alias=True,
        validate_by_name=True,
        hide_input_in_errors=True,
    )


class Patch(Wire):
    """Base of partial updates of `whole`: an absent member stays unchanged, null clears it."""

    whole: ClassVar[type[Wire]]

    def applied_to(self, current: Wire | None, policy: OperatorPolicy | None = None) -> Wire:
        """Return the result of applying this to `current`. Raise ValidationError, with the wire's member names."""
        members = {} if current is None else dict(current)
        for name in self.model_fields_set:
            members[name] = getattr(self, name)
        given = {to_camel(name): value for name, value in members.items() if value is not None}
        return self.whole.model_validate(given, context={"policy": policy})


def _decimal(value: Any) -> Any:
    if isinstance(value, Decimal):
        return value
    match = _PLAIN_DECIMAL.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise PydanticCustomError("plain_decimal", 'must be a string holding a plain decimal such as "2.5"')
    digits, places = match.group(1), match.group(2) or ""
    if len(digits) + len(places) > DECIMAL_MAX_DIGITS or len(places) > DECIMAL_MAX_PLACES:
        raise PydanticCustomError("plain_decimal", "must have at most 18 digits, at most 6 of them decimals")
    return Decimal(value)


def _instant(value: Any) -> Any:
    if isinstance(value, datetime):
        return value
    if isinstance(value, str):
        try:
            return parse_instant(value)
        except ValueError:
            pass
    raise PydanticCustomError("instant", "must be an RFC 3339 instant with offset such as 2027-01-31T12:00:00Z")


def _text(value: str) -> str:
    composed = unicodedata.normalize("NFC", value) if len(value) <= _MOST_BEFORE_COMPOSING else value
    if len(composed) > TEXT_MAX_CODE_POINTS:
        raise PydanticCustomError("text", "must have at most 500 characters")
    if _UNWANTED.search(composed):
        raise PydanticCustomError("text", "must not contain control or bidirectional control characters")
    return composed


def _identifier(value: str) -> str:
    if not is_identifier(value):
        raise PydanticCustomError(
            "identifier",
            f"must be {IDENTIFIER_RULE}" + (", without a line break" if value.endswith(("\n", "\r")) else ""),
        )
    return value


def _currency(value: str) -> str:
    if value not in INVOICE_CURRENCIES:
        raise PydanticCustomError("currency", "must be an active ISO 4217 currency, in capitals, that can be invoiced")
    return value


def _country(value: str, info: ValidationInfo) -> str:
    # A country may be dissolved: stored values keep the codes that were valid when written.
    if value not in COUNTRIES and not is_stored(info):
        raise PydanticCustomError("country", "must be an ISO 3166-1 alpha-2 country code, in capitals")
    return value


def _default_for_null(value: Any) -> Any:
    if value is None:
        raise PydanticUseDefault
    return value


NullIsAbsence = BeforeValidator(_default_for_null)
"""Marks an optional member that has a default: null counts as absent."""

Identifier = Annotated[str, AfterValidator(_identifier), IDENTIFIER]
Text = Annotated[str, AfterValidator(_text), TEXT]
PlainDecimal = Annotated[
    Decimal, BeforeValidator(_decimal), PlainSerializer(format_decimal, return_type=str, when_used="json"), DECIMAL
]
Instant = Annotated[
    datetime, BeforeValidator(_instant), PlainSerializer(format_instant, return_type=str, when_used="json"), INSTANT
]
CurrencyCode = Annotated[
    str, AfterValidator(_currency), AfterValidator(offered_currency), code_form(INVOICE_CURRENCIES, "^[A-Z]{3}$")
]
CountryCode = Annotated[str, AfterValidator(_country), code_form(COUNTRIES, "^[A-Z]{2}$")]
Version = Annotated[int, Field(ge=1, le=2**63 - 1)]
