"""Whether a value is as expected: partial maps, full lists, placeholders (`cases/FORMAT.md`, section 5)."""

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from tests.acceptance.expand import InstantOfCase
from tests.acceptance.json_types import Json, to_json
from tests.acceptance.vocabulary import to_decimal, to_instant

Bindings = dict[str, Any]
ABSENT: Final = None
"""`null` matches `null` and an absent member, so absence needs no value of its own."""

_PLACEHOLDER = re.compile(r"<(same|other|after|prefix|length|decimal):(.*)>", re.DOTALL)
_UNORDERED = ("holds", "projects")
_BLOCKERS_SHOW_AT_MOST = 20
_SHOWN_CHARACTERS = 300


@dataclass
class Mismatch(Exception):
    """Where what came differs from what was expected."""

    path: str
    expected: Json
    came: Json

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        return f"{where}expected {_shown(self.expected)}, came {_shown(self.came)}"


def match(expected: Json, came: Json, bindings: Bindings, path: str = "") -> None:
    """Match `came` with `expected`, binding names on the way. Raises `Mismatch` if they differ.

    `bindings` may have been added to even then: hand over a copy when a failure is not the end.
    """
    match expected:
        case dict():
            _match_map(expected, came, bindings, path)
        case list():
            _match_list(expected, came, bindings, path)
        case InstantOfCase():
            _require(to_instant(came) == expected.instant, path, expected.instant.isoformat(), came)
        case str():
            _match_text(expected, came, bindings, path)
        case None:
            _require(came is None, path, None, came)
        case _:
            _require(type_of(expected) == type_of(came) and expected == came, path, expected, came)


def matches(expected: Json, came: Json, bindings: Bindings) -> bool:
    """Return whether it matches; the names bound on the way stay bound only if it does."""
    tried = dict(bindings)
    try:
        match(expected, came, tried)
    except Mismatch:
        return False
    bindings.update(tried)
    return True


def match_in_any_order(expected: list[Json], came: Json, bindings: Bindings, path: str) -> None:
    """Match two lists of the same length in any order. Raises `Mismatch`."""
    if not isinstance(came, list) or len(came) != len(expected):
        raise Mismatch(path, expected, came)
    assigned = _assign(expected, came, bindings)
    if assigned is None:
        raise Mismatch(path, expected, came)
    bindings.update(assigned)


def type_of(value: Json) -> str:
    """Return the JSON type, with numbers that have a point told from those that have none."""
    match value:
        case bool():
            return "true/false"
        case int():
            return "whole number"
        case float():
            return "number"
        case str():
            return "text"
        case None:
            return "null"
        case list():
            return "list"
        case _:
            return "map"


def _match_map(expected: dict[str, Json], came: Json, bindings: Bindings, path: str) -> None:
    if not isinstance(came, dict):
        raise Mismatch(path, expected, came)
    for name, member in expected.items():
        member_path = f"{path}/{name}"
        came_member = came.get(name, ABSENT)
        if name in _UNORDERED and isinstance(member, list):
            if path.endswith("blockers") and len(member) > _BLOCKERS_SHOW_AT_MOST:
                _match_shown(member, came_member, bindings, member_path)
            else:
                match_in_any_order(member, came_member, bindings, member_path)
        else:
            match(member, came_member, bindings, member_path)


def _match_list(expected: list[Json], came: Json, bindings: Bindings, path: str) -> None:
    if not isinstance(came, list) or len(came) != len(expected):
        raise Mismatch(path, expected, came)
    for index, (expected_member, came_member) in enumerate(zip(expected, came, strict=True)):
        match(expected_member, came_member, bindings, f"{path}/{index}")


def _match_shown(expected: list[Json], came: Json, bindings: Bindings, path: str) -> None:
    """Match blocking projects of which not all are shown: each one shown must be expected."""
    if not isinstance(came, list) or len(came) != _BLOCKERS_SHOW_AT_MOST or len({to_json(one) for one in came}) != 20:
        raise Mismatch(path, expected, came)
    for one in came:
        if not any(matches(candidate, one, bindings) for candidate in expected):
            raise Mismatch(path, expected, came)


def _assign(expected: list[Json], came: list[Json], bindings: Bindings) -> Bindings | None:
    """Return bindings under which each expected member has a counterpart of its own, or `None`, by trial."""
    if not expected:
        return bindings
    for index, candidate in enumerate(came):
        tried = dict(bindings)
        if matches(expected[0], candidate, tried):
            rest = _assign(expected[1:], came[:index] + came[index + 1 :], tried)
            if rest is not None:
                return rest
    return None


def _match_text(expected: str, came: Json, bindings: Bindings, path: str) -> None:
    placeholder = _PLACEHOLDER.fullmatch(expected)
    if expected == "<any>":
        _require(came is not None, path, expected, came)
    elif expected == "<instant>":
        _require(to_instant(came) is not None, path, expected, came)
    elif placeholder is None:
        _require(expected == came, path, expected, came)
    elif not _meets(placeholder.group(1), placeholder.group(2), came, bindings):
        name = placeholder.group(2)
        bound = f" ({name} is {_shown(bindings[name])})" if name in bindings else ""
        raise Mismatch(path, expected + bound, came)


def _meets(kind: str, argument: str, came: Json, bindings: Bindings) -> bool:
    if kind == "same":
        if came is None:
            return False
        return _is_same(bindings.setdefault(argument, came), came)
    if kind == "other":
        return came is not None and argument in bindings and not _is_same(bindings[argument], came)
    if kind == "after":
        return argument in bindings and _is_after(came, bindings[argument])
    if kind == "prefix":
        return isinstance(came, str) and came.startswith(argument)
    if kind == "length":
        return isinstance(came, str | list) and len(came) == int(argument)
    return to_decimal(came) is not None and to_decimal(came) == Decimal(argument)


def _is_same(bound: Json, came: Json) -> bool:
    bound_instant, came_instant = to_instant(bound), to_instant(came)
    if bound_instant is not None and came_instant is not None:
        return bound_instant == came_instant
    return type_of(bound) == type_of(came) and bool(bound == came)


def _is_after(came: Json, bound: Json) -> bool:
    came_instant, bound_instant = to_instant(came), to_instant(bound)
    if came_instant is not None and bound_instant is not None:
        return came_instant > bound_instant
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in (came, bound))
    return numbers and came > bound


def _require(holds: bool, path: str, expected: Json, came: Json) -> None:
    if not holds:
        raise Mismatch(path, expected, came)


def _shown(value: Json) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    try:
        text = to_json(value)
    except TypeError:
        text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}… ({len(text)} characters)"
