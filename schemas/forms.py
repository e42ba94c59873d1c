"""JSON Schemas of plain values, for the published files (`make contracts`).

Patterns use only what all regular expression engines understand, including those without lookahead. What a schema
cannot express is described under `x-also-checked`.
"""

from collections.abc import Iterable
from typing import Any

from pydantic import GetJsonSchemaHandler, JsonValue
from pydantic_core import CoreSchema

Schema = dict[str, Any]

ALSO_CHECKED = "x-also-checked"
LANGUAGE_PATTERN = "^[A-Za-z0-9]{1,8}(-[A-Za-z0-9]{1,8})*$"

_DAY = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_MINUTE = "([01][0-9]|2[0-3]):[0-5][0-9]"
_OFFSET = "([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
_MAX_DIGITS = 18
_MAX_PLACES = 6


class Form:
    """The schema of a value when read, and when published if that differs."""

    def __init__(self, read: Schema, published: Schema | None = None) -> None:
        self.read = read
        self.published = read if published is None else published

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> Schema:
        """Return the schema, in place of the one that pydantic would derive from the validators."""
        return dict(self.read if handler.mode == "validation" else self.published)


def text_form(*patterns: str, least: int = 0) -> Form:
    """Return the form of free text of at least `least` code points, in which every pattern must match."""
    read: Schema = {
        "type": "string",
        "maxLength": 500,
        "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f\\u202a-\\u202e\\u2066-\\u2069]*$",
    }
    if least:
        read["minLength"] = least
    if patterns:
        read["allOf"] = [{"pattern": pattern} for pattern in patterns]
    return Form(read, {"type": "string", "maxLength": 500})


IDENTIFIER = Form({"type": "string", "minLength": 1, "maxLength": 253, "pattern": "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"})
TEXT = text_form()
LINE = text_form("[^\\s]")
INSTANT = Form(
    {
        "type": "string",
        "format": "date-time",
        "pattern": f"^{_DAY}[Tt]{_MINUTE}:([0-5][0-9]|60)(\\.[0-9]+)?{_OFFSET}$",
        ALSO_CHECKED: "the day exists, UTC can tell it in the years 1 to 9999, and a leap second is 23:59:60 in UTC",
    },
    {
        "type": "string",
        "format": "date-time",
        "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{6}Z$",
    },
)
LANGUAGE = Form(
    {
        "type": "string",
        "maxLength": 100,
        "pattern": LANGUAGE_PATTERN,
        ALSO_CHECKED: "the IANA registry of language subtags knows every part",
    },
    {"type": "string", "pattern": LANGUAGE_PATTERN},
)
EMAIL = Form(
    {
        "type": "string",
        "format": "idn-email",
        "pattern": "^[^@]+@[^@]+$",
        ALSO_CHECKED: "it has the form of an internationalised e-mail address; nothing is sent to it",
    },
    {"type": "string"},
)
PHONE = Form(
    {
        "type": "string",
        "pattern": "^\\+[1-9][0-9]{1,14}$",
        ALSO_CHECKED: "numbers of this length exist in the country of its prefix",
    }
)
TAX_NUMBER = Form(
    TEXT.read | {ALSO_CHECKED: "a tax registration's number is valid for its country, check digits included"},
    {"type": "string", "maxLength": 500},
)


def _decimals(whole: str) -> str:
    """Return the alternatives of a plain decimal whose whole part, of at most `{most}` digits, matches `whole`."""
    forms = [whole.replace("{most}", str(_MAX_DIGITS - 1))]
    forms += [
        f"{whole.replace('{most}', str(_MAX_DIGITS - 1 - places))}\\.[0-9]{{{places}}}"
        for places in range(1, _MAX_PLACES + 1)
    ]
    return "|".join(forms)


# A fraction between zero and one: the first nonzero digit is at any of the six places.
_ABOVE_ZERO = "|".join(f"{'0' * zeros}[1-9][0-9]{{0,{_MAX_PLACES - 1 - zeros}}}" for zeros in range(_MAX_PLACES))
_UP_TO_6 = f"(\\.[0-9]{{1,{_MAX_PLACES}}})?"

DECIMAL = Form({"type": "string", "pattern": f"^-?({_decimals('(0|[1-9][0-9]{0,{most}})')})$"})
DISCOUNT_PERCENT = Form({"type": "string", "pattern": f"^([1-9][0-9]?{_UP_TO_6}|0\\.({_ABOVE_ZERO}))$"})
PENALTY_PERCENT = Form(
    {
        "type": "string",
        "pattern": f"^((0|[1-9][0-9]?){_UP_TO_6}|100(\\.0{{1,{_MAX_PLACES}}})?|-0(\\.0{{1,{_MAX_PLACES}}})?)$",
    }
)


def code_form(codes: frozenset[str], published: str) -> Form:
    """Return the form of a code: when read, one of the current list; when published, possibly an older one."""
    return Form({"type": "string", "enum": sorted(codes)}, {"type": "string", "pattern": published})


def one_of(words: Iterable[str]) -> Form:
    """Return the form of a value that is one of the words."""
    return Form({"type": "string", "enum": [str(word) for word in words]})


EACH_ONCE: dict[str, JsonValue] = {"minItems": 1, "uniqueItems": True}
"""The schema of a list with at least one entry and no duplicates."""
