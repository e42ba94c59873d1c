"""Parameters of a question: declared once, parsed strictly, and refused with all violations at once."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from schemas.identifiers import IDENTIFIER_PATTERN, IDENTIFIER_RULE, LONGEST_IDENTIFIER, is_identifier
from schemas.instants import parse_instant
from schemas.people import LONGEST_AUTHID, is_authid
from schemas.replays import NAME_RULE, is_replay_name
from service.problems import Reason, Violation, quoted

LARGEST_PAGE, DEFAULT_PAGE = 1000, 100


class Refused(Exception):
    """The value of a parameter is invalid."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter: its name, its parser (which raises Refused), and its description for the OpenAPI document."""

    name: str
    read: Callable[[str], Any]
    schema: Mapping[str, Any]
    description: str
    example: Any = None


def read_query(parameters: Mapping[str, Parameter], query: bytes) -> tuple[dict[str, Any], list[Violation]]:
    """Return the values of a query's parameters by name, and all violations, in the order of the query.

    A plus is a space, as forms and most clients encode it.
    """
    values: dict[str, Any] = {}
    violations: dict[str, Violation] = {}
    for part in query.split(b"&"):
        if not part:
            continue
        raw_name, _, raw = part.partition(b"=")
        name = _text(raw_name)
        parameter = None if name is None else parameters.get(name)
        field = name if name is not None else raw_name.decode("ascii", "replace")
        if parameter is None:
            shown = quoted(field)
            violations.setdefault(field, Violation(Reason.UNKNOWN, f'There is no parameter "{shown}" here.', field))
        elif field in values or field in violations:
            values.pop(field, None)
            violations[field] = Violation(Reason.REPEATED, "A parameter is given once.", field)
        else:
            try:
                values[field] = _value(parameter, raw)
            except Refused as error:
                violations[field] = Violation(error.reason, error.message, field)
    return values, list(violations.values())


def read_names(names: Mapping[str, bytes]) -> tuple[dict[str, str], list[Violation]]:
    """Return the names in a path, decoded, and all violations."""
    found: dict[str, str] = {}
    violations = []
    for field, raw in names.items():
        text = raw.decode("ascii") if raw.isascii() and b"%" not in raw else decoded(raw)
        is_name, rule = NAMES.get(field, _IDENTIFIER)
        if text is not None and is_name(text):
            found[field] = text
        else:
            violations.append(Violation(Reason.MALFORMED, f"It must be {rule}.", field))
    return found, violations


def conflicting(field: str, message: str) -> Violation:
    """Return the violation of a parameter that conflicts with another."""
    return Violation(Reason.CONFLICTING, message, field)


def identifier(name: str, description: str, example: str) -> Parameter:
    """Return a parameter that is the name of an organization, a project or an account."""

    def read(text: str) -> str:
        if not is_identifier(text):
            raise Refused(Reason.MALFORMED, f"It must be {IDENTIFIER_RULE}.")
        return text

    schema = {"type": "string", "pattern": IDENTIFIER_PATTERN, "minLength": 1, "maxLength": LONGEST_IDENTIFIER}
    return Parameter(name, read, schema, description, example)


def instant(name: str, description: str, example: str = "2026-11-01T00:00:00Z") -> Parameter:
    """Return a parameter that is an instant."""
    return Parameter(name, _instant, {"type": "string", "format": "date-time"}, description, example)


def choice(name: str, options: Iterable[str], description: str, example: str) -> Parameter:
    """Return a parameter that is one of `options`."""
    words = [str(option) for option in options]

    def read(text: str) -> str:
        if text not in words:
            raise Refused(Reason.MALFORMED, f"It must be one of {', '.join(words)}.")
        return text

    return Parameter(name, read, {"type": "string", "enum": words}, description, example)


def truth(name: str, description: str) -> Parameter:
    """Return a parameter that is `true` or `false`."""

    def read(text: str) -> bool:
        if text not in ("true", "false"):
            raise Refused(Reason.MALFORMED, "It must be true or false.")
        return text == "true"

    return Parameter(name, read, {"type": "boolean"}, description, True)


def words(name: str, longest: int, description: str, example: str, *, pattern: str = r"[\x20-\x7e]+") -> Parameter:
    """Return a parameter that is text of at most `longest` characters and matches `pattern`."""
    form = re.compile(pattern)

    def read(text: str) -> str:
        if not 0 < len(text) <= longest or form.fullmatch(text) is None:
            raise Refused(Reason.MALFORMED, f"It must be 1 to {longest} characters of those that it may have.")
        return text

    return Parameter(name, read, {"type": "string", "minLength": 1, "maxLength": longest}, description, example)


def person(name: str, description: str, example: str) -> Parameter:
    """Return a parameter that is the name of a person."""

    def read(text: str) -> str:
        if not is_authid(text):
            raise Refused(
                Reason.MALFORMED, f"It must be 1 to {LONGEST_AUTHID} visible characters, no blank at either end."
            )
        return text

    return Parameter(name, read, {"type": "string", "minLength": 1, "maxLength": LONGEST_AUTHID}, description, example)


def number(name: str, least: int, largest: int, description: str, example: int) -> Parameter:
    """Return a parameter that is an integer in canonical decimal digits."""

    def read(text: str) -> int:
        if _NUMBER.fullmatch(text) is None:
            raise Refused(Reason.MALFORMED, "It must be a number in plain digits, without leading zeros.")
        if len(text) > _MOST_DIGITS or not least <= int(text) <= largest:
            raise Refused(Reason.OUT_OF_RANGE, f"It must be from {least} to {largest}.")
        return int(text)

    schema = {"type": "integer", "minimum": least, "maximum": largest}
    return Parameter(name, read, schema, description, example)


def _value(parameter: Parameter, raw: bytes) -> Any:
    text = _text(raw)
    if text is None:
        raise Refused(Reason.MALFORMED, "It is not percent-encoded UTF-8.")
    if "\0" in text:
        raise Refused(Reason.MALFORMED, "It must not contain NUL.")
    return parameter.read(text)


def _text(raw: bytes) -> str | None:
    if raw.isascii() and b"%" not in raw and b"+" not in raw:
        return raw.decode("ascii")
    return decoded(raw.replace(b"+", b" "))


def decoded(raw: bytes) -> str | None:
    """Return percent-encoded UTF-8 as text; None if it is malformed."""
    if _BAD_PERCENT.search(raw):
        return None
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        return None


def _instant(text: str) -> Any:
    # Many clients do not encode the plus of an offset, which then decodes to a space.
    said = _BLANK_OFFSET.sub(r"+\1", text)
    try:
        return parse_instant(said)
    except ValueError:
        raise Refused(
            Reason.MALFORMED, "It must be an RFC 3339 instant with offset such as 2027-01-31T12:00:00Z."
        ) from None


_IDENTIFIER: tuple[Callable[[str], bool], str] = (is_identifier, IDENTIFIER_RULE)
NAMES: Mapping[str, tuple[Callable[[str], bool], str]] = {"name": (is_replay_name, NAME_RULE)}
"""Path parameters that are not identifiers: each with its predicate and its rule in words."""
_BAD_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_BLANK_OFFSET = re.compile(r"(?<=[0-9]) ([0-9]{2}:[0-9]{2})\Z")
_NUMBER = re.compile(r"0|[1-9][0-9]*")
_MOST_DIGITS = 18

LIMIT = number("limit", 1, LARGEST_PAGE, "The maximum number of items in a page.", DEFAULT_PAGE)
FROM = instant("from", "The start of the period. Default: no lower bound.")
UNTIL = instant("until", "The end of the period, exclusive. Default: no upper bound.", "2026-12-01T00:00:00Z")
AT = instant("at", "The instant to ask about.")
