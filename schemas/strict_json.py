"""JSON read strictly (docs/contract.md section 2): what two readers could understand differently is not read at all."""

import json
from typing import Any

MAX_LEVELS = 32
_LONGEST_INTEGER = 40


class NotStrictJson(ValueError):
    """The bytes are no strict JSON object; the message says why and quotes nothing of them."""


def read_object(raw: bytes) -> dict[str, Any]:
    """Read one JSON object from UTF-8 bytes.

    Refused with NotStrictJson: other encodings, a byte order mark, anything but one object, duplicate members, `NaN`
    and `Infinity`, NUL or a lone surrogate in a string or name, more than 32 levels.
    """
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
        raise NotStrictJson("not a JSON object")
    if text.count("{") + text.count("[") > MAX_LEVELS:
        _check_levels(value)
    if "\\u" in text:
        _check_characters(value)
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotStrictJson("an object has the same member twice")
    return members


def _constant(name: str) -> Any:
    raise NotStrictJson(f"{name} is no JSON number")


def _integer(digits: str) -> int | float:
    # No integer of the contract is this long; as a float it is refused by type, where int() would refuse by length.
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)


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
