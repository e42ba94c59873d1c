"""Strict JSON (docs/contract.md section 2): what two parsers could understand differently is refused."""

import codecs
import json
from typing import Any, Self

MAX_LEVELS = 32
_LONGEST_INTEGER = 40
_REGISTRY_BYTES = 5


class NotStrictJson(ValueError):
    """The bytes are not a strict JSON object; the message says why and quotes none of them."""


def read_object(raw: bytes) -> dict[str, Any]:
    """Read one JSON object from UTF-8 bytes.

    Refused with NotStrictJson: other encodings, a byte order mark, anything but one object, duplicate members, `NaN`
    and `Infinity`, NUL or a lone surrogate in a string or name, more than 32 levels.
    """
    foreign = _foreign_encoding(raw)
    if foreign is not None:
        raise NotStrictJson(foreign)
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
        raise NotStrictJson(f"not JSON at line {error.lineno}, column {error.colno}: {error.msg}") from None
    if not isinstance(value, dict):
        raise NotStrictJson(f"not a JSON object but {_kind(value)}")
    if text.count("{") + text.count("[") > MAX_LEVELS:
        _check_levels(value)
    if "\\u" in text:
        _check_characters(value)
    return value


class LongInteger(float):
    """An integer with more digits than any in the contract: as a number, it is refused like a fraction."""

    __slots__ = ("digits",)
    digits: str

    def __new__(cls, digits: str) -> Self:
        """Keep the digits, which the number itself loses."""
        number = super().__new__(cls, digits)
        number.digits = digits
        return number


def as_text(value: Any) -> Any:
    """Return the text that a CloudEvents attribute means, which may be sent as a boolean or an integer."""
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


def _foreign_encoding(raw: bytes) -> str | None:
    """Describe bytes that a well-known serializer writes and that are not plain JSON."""
    if raw.startswith(b"{"):
        return "UTF-16, which must be UTF-8" if raw.startswith(b"{\0") else None
    if raw.strip() == b"":
        return "empty, where a JSON object must be" if raw == b"" else "blank, where a JSON object must be"
    if raw.startswith(codecs.BOM_UTF8):
        return "a byte order mark stands before the JSON: send UTF-8 without one"
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, b"\0{")):
        return "UTF-16, which must be UTF-8"
    if raw.startswith(b"\0") and len(raw) > _REGISTRY_BYTES:
        return "five bytes of a schema registry stand before the message: send plain JSON, by another serializer"
    if raw.startswith(b"\x1f\x8b"):
        return "compressed with gzip: leave compression to the Kafka producer"
    return None


def _kind(value: Any) -> str:
    match value:
        case str():
            return "text that holds JSON: it was encoded twice" if value.lstrip().startswith("{") else "text"
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
    # Python refuses to convert very long integers, and is slow with long ones.
    return int(digits) if len(digits) <= _LONGEST_INTEGER else LongInteger(digits)


_DECODER = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_constant, parse_int=_integer)


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
