"""Strict JSON (docs/contract.md section 2): refuses whatever two parsers could interpret differently."""

import json
from collections.abc import Sequence
from decimal import Decimal
from secrets import token_hex
from typing import Any, Self

from schemas.serializers import why_not_plain_json

MAX_LEVELS = 32
_LONGEST_INTEGER = 40
_ODD_BEGINNINGS = {
    "'": "JSON has double quotes, not single ones",
    **dict.fromkeys(("True", "False", "None"), "JSON has true, false and null, in small letters"),
    **dict.fromkeys(("//", "/*", "#"), "JSON has no comments"),
    "undefined": "JSON has null, but no undefined",
}
_TROUBLES = {
    "Expecting value": "a value must stand here",
    "Expecting property name": "the name of a member must stand here, in double quotes",
    "Illegal trailing comma": "a comma has nothing behind it",
    "Expecting ':'": "a colon must stand here",
    "Expecting ','": "a comma, or the end of the object or list, must stand here",
    "Invalid control character": "a control character in a string must be escaped",
    "Invalid \\": "a backslash in a string must begin an escape",
}


class NotStrictJson(ValueError):
    """The bytes are not a strict JSON object; the message says why without quoting them."""


def read_object(raw: bytes) -> dict[str, Any]:
    """Parse one JSON object from UTF-8 bytes.

    Raise NotStrictJson for other encodings, a byte order mark, anything but one object, duplicate members, `NaN` and
    `Infinity`, NUL or a lone surrogate in a string or name, or more than 32 levels.
    """
    why = why_not_plain_json(raw)
    if why is not None:
        raise NotStrictJson(why)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotStrictJson(f"not UTF-8 at byte {error.start}") from None
    try:
        value = _DECODER.decode(text)
    except NotStrictJson:
        raise
    except RecursionError:
        raise NotStrictJson(f"nested deeper than {MAX_LEVELS} levels") from None
    except json.JSONDecodeError as error:
        raise NotStrictJson(_trouble(text, error)) from None
    if not isinstance(value, dict):
        raise NotStrictJson(f"not a JSON object but {_kind(value)}")
    if text.count("{") + text.count("[") > MAX_LEVELS:
        _check_levels(value)
    if "\\u" in text:
        _check_characters(value)
    return value


def read_flat_objects(raw: Sequence[bytes]) -> list[dict[str, Any]] | None:
    """Parse many JSON objects at once, each as strictly as `read_object`; None if any needs a closer look.

    That is the case if one is not strict, or contains objects, lists or numeric escapes.
    """
    # The separator is random, so that no object can contain it and two faults cannot cancel each other out.
    separator = token_hex()
    try:
        text = f',"{separator}",'.encode().join(raw).decode("utf-8")
        value = _DECODER.decode(f"[{text}]")
    except (ValueError, RecursionError):
        return None
    is_flat = text.count("{") == len(raw) and "[" not in text and "\\u" not in text
    objects, between = value[::2], value[1::2]
    if is_flat and len(objects) == len(raw) and all(one == separator for one in between):
        return objects if all(type(one) is dict for one in objects) else None
    return None


class LongNumber(float):
    """A number that a float cannot represent exactly: too long, too large or too small."""

    __slots__ = ("digits",)
    digits: str

    def __new__(cls, digits: str) -> Self:
        """Keep the digits, which the float itself loses."""
        number = super().__new__(cls, digits)
        number.digits = digits
        return number


class LongInteger(LongNumber):
    """An integer with more digits than any in the contract: as a number, it is refused like a fraction."""

    __slots__ = ()


def as_text(value: Any) -> Any:
    """Return the text of a CloudEvents attribute, which may be sent as a boolean or an integer."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case LongInteger():
            return value.digits
        case _:
            return value


def _trouble(text: str, error: json.JSONDecodeError) -> str:
    """Describe why a text is not JSON and what to change, without quoting it."""
    rest = text[error.pos :].lstrip()
    if error.msg.startswith("Extra data"):
        if rest.startswith("{"):
            return "several JSON objects: send each as a separate record"
        return f"something follows the JSON, at line {error.lineno}, column {error.colno}"
    if error.msg.startswith("Unterminated string") or rest == "":
        return "the JSON ends too early: it was cut off"
    words = next((hint for begin, hint in _ODD_BEGINNINGS.items() if rest.startswith(begin)), None)
    words = words or next((hint for begin, hint in _TROUBLES.items() if error.msg.startswith(begin)), "it is malformed")
    return f"not JSON at line {error.lineno}, column {error.colno}: {words}"


def _kind(value: Any) -> str:
    match value:
        case str():
            return "text that holds JSON: it was encoded twice" if value.lstrip().startswith("{") else "text"
        case [dict(first), *_] if "specversion" in first:
            return "a list of CloudEvents: send each as a separate record"
        case list():
            return "a list"
        case None:
            return "null"
        case bool():
            return "true or false"
        case _:
            return "a number"


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotStrictJson("an object has the same member twice")
    return members


def _constant(name: str) -> Any:
    raise NotStrictJson(f"{name} is no JSON number")


def _integer(digits: str) -> int | LongInteger:
    # Python refuses to parse very long integers, and is slow with long ones.
    return int(digits) if len(digits) <= _LONGEST_INTEGER else LongInteger(digits)


def _fraction(digits: str) -> float:
    number = float(digits)
    try:
        is_exact = Decimal(repr(number)) == Decimal(digits)
    except ArithmeticError:  # an exponent beyond all others
        is_exact = False
    return number if is_exact else LongNumber(digits)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_members, parse_constant=_constant, parse_float=_fraction, parse_int=_integer
)


def _check_levels(value: Any) -> None:
    layer = [value]
    levels = 0
    while layer:
        levels += 1
        if levels > MAX_LEVELS:
            raise NotStrictJson(f"nested deeper than {MAX_LEVELS} levels")
        layer = [
            child
            for parent in layer
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]


def _check_characters(value: Any) -> None:
    match value:
        case str():
            if "\0" in value or not _encodable(value):
                raise NotStrictJson("a string has a NUL or a lone surrogate")
        case list():
            for item in value:
                _check_characters(item)
        case dict():
            for name, item in value.items():
                _check_characters(name)
                _check_characters(item)
        case _:
            pass


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
