"""What breaks is told of schemas as small as can be: of every type, of alternatives, of entries, and of topics."""

from typing import Any

import pytest

from schemas.exporting.compatibility import breaks

Schema = dict[str, Any]

KINDS: dict[str, Any] = {"null": None, "boolean": True, "string": "x", "integer": 7, "number": 1.5}
ONE, OTHER = ({"title": name, "type": "object", "properties": {name: {"type": "string"}}} for name in ("One", "Other"))
LONGER: Schema = {"title": "One", "type": "object", "properties": {"One": {"type": "string", "maxLength": 9}}}


def _said(way: str, old: Schema, new: Schema) -> list[str]:
    """Return what is told of a member that was as old, and is as new."""
    of_old, of_new = ({"M": {"x-way": way, "properties": {"m": schema}}} for schema in (old, new))
    return breaks(of_old, of_new)


@pytest.mark.parametrize("kind", KINDS)
def test_a_constant_is_of_the_type_of_its_value(kind: str) -> None:
    assert _said("out", {"type": kind}, {"const": KINDS[kind]}) == []
    for other in KINDS.keys() - {kind}:
        assert _said("out", {"type": other}, {"const": KINDS[kind]}) == [
            f"M m: was {other} at times and never is any more",
            f"M m: may now be {kind}, which it never was",
        ]


@pytest.mark.parametrize("old", KINDS)
@pytest.mark.parametrize("new", KINDS)
def test_another_type_takes_no_more_but_that_a_number_takes_integers(old: str, new: str) -> None:
    is_taken = old == new or (old, new) == ("integer", "number")
    said = [] if is_taken else [f"M m: took {old} and takes it no longer"]
    assert _said("in", {"type": old}, {"type": new}) == said
    assert _said("in", {"anyOf": [{"type": old}]}, {"type": [new]}) == said


@pytest.mark.parametrize(
    ("way", "old", "new", "said"),
    (
        ("in", {"anyOf": [ONE, OTHER]}, {"anyOf": [LONGER, OTHER]}, ["M m.One: maxLength was null and is 9"]),
        ("in", {"anyOf": [OTHER, ONE]}, {"anyOf": [OTHER, LONGER]}, ["M m.One: maxLength was null and is 9"]),
        ("in", {"anyOf": [ONE, OTHER]}, {"anyOf": [ONE]}, ["M m: took object Other and takes it no longer"]),
        ("in", {"type": "array"}, {"type": "array", "items": {}}, ["M m: entries were of any form and have one now"]),
        ("out", {"type": "array"}, {"type": "array", "items": {}}, []),
        ("in", {"type": "array"}, {"type": "array", "uniqueItems": True}, ["M m: uniqueItems was null and is true"]),
        ("in", {"type": "array", "uniqueItems": True}, {"type": "array", "uniqueItems": False}, []),
        ("out", {"type": "array", "uniqueItems": True}, {"type": "array"}, ["M m: uniqueItems was true and is null"]),
        ("in", {"enum": ["é", "b"]}, {"enum": ["b"]}, ['M m: takes no longer "é"']),
    ),
)
def test_what_is_told_of_a_member(way: str, old: Schema, new: Schema, said: list[str]) -> None:
    assert _said(way, old, new) == said


def test_every_topic_that_is_gone_is_told() -> None:
    old: Schema = {"asyncapi": {"channels": {name: {"messages": {"M": {}}} for name in ("a", "b", "c")}}}
    new: Schema = {"asyncapi": {"channels": {"b": {"messages": {}}}}}
    assert breaks(old, new) == ["topic a: is gone", "topic b: M is no longer on it", "topic c: is gone"]
