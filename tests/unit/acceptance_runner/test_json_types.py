"""YAML with the JSON types only, and numbers as they were written."""

import json

import pytest

from tests.acceptance.json_types import FormatError, read_yaml_text, to_json


@pytest.mark.parametrize(
    ("written", "read"),
    (
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("2026-01-01", "2026-01-01"),
        ("yes", "yes"),
        ("NO", "NO"),
        ("True", "True"),
        ("true", True),
        ("null", None),
        ("0x10", "0x10"),
        ("010", "010"),
        ("1_000", "1_000"),
        ("12:30:00", "12:30:00"),
        ("+1", "+1"),
        (".5", ".5"),
        ("'42'", "42"),
        ("42", 42),
        ("<<", "<<"),
    ),
)
def test_only_json_types_are_seen(written: str, read: object) -> None:
    value = read_yaml_text(f"x: {written}", "x.yaml")["x"]
    assert (type(value), value) == (type(read), read)


@pytest.mark.parametrize("number", ("30.0", "1e5", "-0", "0.30", "1000000000000000000000000000000", "-7", "2.50E+3"))
def test_a_number_is_sent_as_it_is_written(number: str) -> None:
    assert to_json(read_yaml_text(f"x: [{number}]", "x.yaml")) == f'{{"x":[{number}]}}'


def test_other_values_are_sent_as_json() -> None:
    value = {"a": [True, False, None, 'quote "', "\u00e9\u2028", "\x07"], "": {}}
    assert json.loads(to_json(value)) == value


def test_a_lone_surrogate_is_sent_escaped() -> None:
    assert to_json(read_yaml_text(r'x: "\uD800"', "x.yaml")) == r'{"x":"\ud800"}'


@pytest.mark.parametrize("text", ("a: 1\na: 2", "x: !!set {a}", "x: !!timestamp 2026-01-01", "? [a]\n: b", "x: ["))
def test_yaml_that_is_no_json_is_refused_with_the_name_of_its_file(text: str) -> None:
    with pytest.raises(FormatError, match=r"odd\.yaml"):
        read_yaml_text(text, "odd.yaml")
