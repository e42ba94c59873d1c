"""Organizations, counters and generators."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.acceptance.expand import (
    Generators,
    InstantOfCase,
    count_up,
    rename_organizations,
    replace_each,
    waits_for_instant,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def generators(**bindings: Any) -> Generators:
    def instant_of_step(target: str) -> datetime:
        if target != "bound":
            raise LookupError(target)
        return NOW + timedelta(hours=1)

    return Generators(NOW, instant_of_step, bindings)


@pytest.mark.parametrize(
    ("value", "renamed"),
    (
        ({"organization": "acme"}, {"organization": "acme-q"}),
        ({"key": "beta", "subject": "gamma", "partitionkey": "acme"}, None),
        ({"name": "acme"}, {"name": "acme"}),
        ({"organization": "ACME"}, {"organization": "ACME"}),
        ({"organization": 42}, {"organization": 42}),
        (["acme/p1", "acmex/p1", "x acme/p1"], ["acme-q/p1", "acmex/p1", "x acme/p1"]),
        ("<prefix:acme/>", "<prefix:acme-q/>"),
        ("<list:2:beta/{n}>", "<list:2:beta-q/{n}>"),
        ("{acme}", "{acme}"),
    ),
)
def test_organizations_are_renamed(value: Any, renamed: Any) -> None:
    if renamed is None:
        renamed = {name: f"{organization}-q" for name, organization in value.items()}
    assert rename_organizations(value, "q") == renamed


def test_raw_text_names_organizations_in_braces() -> None:
    raw = {"topic": "projects", "key": "acme", "value_text": '{"organization":"{acme}","x":"{beta}/p"}'}
    renamed = {"topic": "projects", "key": "acme-q", "value_text": '{"organization":"acme-q","x":"beta-q/p"}'}
    assert rename_organizations(raw, "q", raw=True) == renamed


def test_each_keeps_its_type_as_a_whole_text() -> None:
    value = ["<each>", "x<each>", {"<each>": 1}]
    assert replace_each(value, 7) == [7, "x7", {"7": 1}]
    assert replace_each("<decimal:<each.a.b>>", {"a": {"b": "2.5"}}) == "<decimal:2.5>"
    assert replace_each("<each>", "<now-5>") == "<now-5>"


def test_counters() -> None:
    assert count_up(["{n}", "w-{n}", "{cycle}", "{cycle}{n}"], 3, ["b", "a"]) == [3, "w-3", "b", "b3"]
    assert count_up("<list:2:x{n}>", 3) == "<list:2:x{n}>"
    entry = {"type": "BindingChanged", "count": 2, "subject": "acme/w-{n}", "data": {"account": "{cycle}"}}
    assert count_up([entry], 3, ["b"]) == [entry | {"data": {"account": "b"}}]


@pytest.mark.parametrize(
    ("text", "sent"),
    (
        ("<now>", "2026-01-01T00:00:00.000000Z"),
        ("<now+2.5>", "2026-01-01T00:00:02.500000Z"),
        ("<now-60>", "2025-12-31T23:59:00.000000Z"),
        ("<repeat:[:3>1<repeat:]:3>", "[[[1]]]"),
        ("<repeat:a:b:2>", "a:ba:b"),
        ("TIN <repeat:Q:2>", "TIN QQ"),
        ("<step bound>", "2026-01-01T01:00:00.000000Z"),
        ("<before step bound>", "2026-01-01T00:59:59.999999Z"),
        ("<same:version>", 7),
        ("v<same:version>", "v7"),
        ("<list:3:desk{n}@example.com>", ["desk1@example.com", "desk2@example.com", "desk3@example.com"]),
        ("<list:2:<repeat:x:2>{n}>", ["xx1", "xx2"]),
        ("<script>", "<script>"),
    ),
)
def test_generators(text: str, sent: Any) -> None:
    assert generators(version=7).expand_sent({"x": [text]}) == {"x": [sent]}


@pytest.mark.parametrize("text", ("<same:unbound>", "<step later>"))
def test_what_is_not_there_cannot_be_sent(text: str) -> None:
    with pytest.raises(LookupError):
        generators().expand_sent(text)


def test_expected_texts_keep_their_placeholders() -> None:
    expected = ["<same:b>", "<any>", "<repeat:x:2>", "<step bound>", "<now>", "<list:2:p{n}>"]
    instants = [InstantOfCase(NOW + timedelta(hours=1)), InstantOfCase(NOW)]
    assert generators().expand_expected(expected) == ["<same:b>", "<any>", "xx", *instants, ["p1", "p2"]]


def test_a_case_that_was_too_slow_is_tried_with_instants_further_ahead() -> None:
    stretched = replace(generators(), stretch=4)
    assert stretched.expand_sent("<now+3>") == "2026-01-01T00:00:12.000000Z"
    # What nobody waits for stays: 600 seconds ahead is a rule of the contract's, not patience.
    assert stretched.expand_sent("<now+600>") == generators().expand_sent("<now+600>")
    assert stretched.expand_sent("<now-60>") == generators().expand_sent("<now-60>")


@pytest.mark.parametrize(
    ("sent", "waits"),
    (({"data": {"effectiveAt": ["<now+2.5>"]}}, True), ({"at": "<now+600>"}, False), ({"n": 3}, False)),
)
def test_what_a_case_waits_for(sent: Any, waits: bool) -> None:
    assert waits_for_instant(sent) is waits
