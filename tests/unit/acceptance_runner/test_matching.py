"""Placeholders and partial matches, those that hold and those that do not."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.acceptance.expand import InstantOfCase
from tests.acceptance.json_types import read_yaml_text
from tests.acceptance.matching import Mismatch, match, matches

INSTANT = "2026-01-01T00:00:00.5Z"

HOLDS: list[tuple[Any, Any]] = [
    ({}, {"a": 1}),
    ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}, "d": 3}),
    ({"a": None}, {}),
    ({"a": None}, {"a": None}),
    ([1, "x", True, None], [1, "x", True, None]),
    ("<any>", 0),
    ("<any>", ""),
    ("<instant>", "2026-01-01T00:00:00+02:00"),
    ("<instant>", INSTANT),
    ("<decimal:2.5>", "2.50"),
    ("<decimal:0>", "-0"),
    ("<prefix:/who>", "/whopays/x"),
    ("<length:2>", [0, 0]),
    ("<length:3>", "abc"),
    ("<script>", "<script>"),
    ({"holds": [{"reason": "A"}, {"reason": "B"}]}, {"holds": [{"reason": "B", "by": "x"}, {"reason": "A"}]}),
    ({"projects": ["p2", "p1"]}, {"projects": ["p1", "p2"]}),
    ({"holds": ["<any>", "x"]}, {"holds": ["x", "y"]}),
    (
        {"blockers": {"projects": [f"p{n}" for n in range(25)]}},
        {"blockers": {"projects": [f"p{n}" for n in range(20)]}},
    ),
    (InstantOfCase(datetime(2026, 1, 1, tzinfo=UTC)), "2026-01-01T01:00:00+01:00"),
    (read_yaml_text("1.5", "x"), 1.5),
]

FAILS: list[tuple[Any, Any]] = [
    ({"a": 1}, {}),
    ({"a": 1}, {"a": 2}),
    ({"a": 1}, None),
    ({}, []),
    ({"a": None}, {"a": 0}),
    ([1], [1, 2]),
    ([1, 2], [2, 1]),
    ([], None),
    (1, True),
    (True, 1),
    (1, "1"),
    (1, 1.0),
    ("x", "X"),
    ("<any>", None),
    ({"a": "<any>"}, {}),
    ("<instant>", "2026-01-01T00:00:00"),
    ("<instant>", "2026-01-01"),
    ("<instant>", "2026-02-30T00:00:00Z"),
    ("<decimal:2.5>", 2.5),
    ("<decimal:2.5>", "2.6"),
    ("<decimal:10>", "1e1"),
    ("<prefix:/who>", "who"),
    ("<length:2>", [0]),
    ("<length:2>", 22),
    ({"holds": [{"reason": "A"}]}, {"holds": [{"reason": "A"}, {"reason": "B"}]}),
    ({"projects": ["p1", "p1"]}, {"projects": ["p1", "p2"]}),
    ({"projects": ["p1"]}, {}),
    ({"blockers": {"projects": [f"p{n}" for n in range(25)]}}, {"blockers": {"projects": [f"q{n}" for n in range(20)]}}),  # noqa: E501
    (InstantOfCase(datetime(2026, 1, 1, tzinfo=UTC)), "2026-01-01T00:00:00.000001Z"),
    ("<other:unbound>", "x"),
    ("<after:unbound>", 3),
]  # fmt: skip


@pytest.mark.parametrize(("expected", "came"), HOLDS)
def test_what_matches(expected: Any, came: Any) -> None:
    match(expected, came, {})


@pytest.mark.parametrize(("expected", "came"), FAILS)
def test_what_does_not_match(expected: Any, came: Any) -> None:
    with pytest.raises(Mismatch):
        match(expected, came, {})


def test_names_are_bound_at_first_use() -> None:
    bindings: dict[str, Any] = {}
    match({"a": "<same:t>", "b": "<same:n>"}, {"a": INSTANT, "b": 3}, bindings)
    assert bindings == {"t": INSTANT, "n": 3}
    match(["<same:t>", "<same:n>"], ["2026-01-01T01:00:00.500+01:00", 3], bindings)
    match(["<other:t>", "<other:n>"], ["2026-01-01T00:00:00Z", 4], bindings)
    match(["<after:t>", "<after:n>"], ["2026-01-01T00:00:00.6Z", 3.5], bindings)


@pytest.mark.parametrize(
    ("expected", "came"),
    (
        ("<same:n>", 4),
        ("<same:n>", "3"),
        ("<same:n>", None),
        ("<other:n>", 3),
        ("<other:n>", None),
        ("<after:n>", 3),
        ("<after:n>", "4"),
        ("<after:t>", INSTANT),
        ("<other:t>", "2026-01-01T01:00:00.500+01:00"),
    ),
)
def test_a_name_that_is_bound_matches_only_its_value(expected: str, came: Any) -> None:
    assert not matches(expected, came, {"t": INSTANT, "n": 3})


def test_what_did_not_match_binds_nothing() -> None:
    bindings: dict[str, Any] = {}
    assert not matches({"a": "<same:n>", "b": 1}, {"a": 1, "b": 2}, bindings)
    assert bindings == {}
