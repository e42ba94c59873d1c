"""What a query may be, and all that is said of one that is not."""

from datetime import UTC, datetime
from urllib.parse import quote

import pytest

from service.parameters import (
    AT,
    LIMIT,
    choice,
    conflicting,
    identifier,
    number,
    person,
    read_names,
    read_query,
    truth,
    words,
)
from service.problems import LONGEST_QUOTE, Reason, quoted

PARAMETERS = {
    one.name: one
    for one in (
        AT,
        LIMIT,
        identifier("account", "", "main"),
        choice("state", ("Active", "Deleted"), "", "Active"),
        truth("unbound", ""),
        words("id", 128, "", "c"),
        words("any", 3, "", "c", pattern="a*"),
        person("by", "", "ada"),
        number("after", 0, 10**18, "", 1),
    )
}


def read(query: str | bytes) -> tuple[dict[str, object], list[tuple[str, str]]]:
    values, violations = read_query(PARAMETERS, query if isinstance(query, bytes) else query.encode())
    return values, [(one.reason, one.field) for one in violations]


@pytest.mark.parametrize(
    ("query", "values"),
    (
        ("", {}),
        ("&&", {}),
        ("limit=1", {"limit": 1}),
        ("&limit=1", {"limit": 1}),
        ("limit=1000", {"limit": 1000}),
        ("unbound=true&state=Active", {"unbound": True, "state": "Active"}),
        ("account=a.b-c", {"account": "a.b-c"}),
        ("%61ccount=%6dain", {"account": "main"}),
        ("id=a%20b", {"id": "a b"}),
        ("id=a+b", {"id": "a b"}),
        ("id=a=b", {"id": "a=b"}),
        ("id=" + "a" * 128, {"id": "a" * 128}),
        ("any=a", {"any": "a"}),
        ("by=Ada+L.", {"by": "Ada L."}),
        ("after=" + "9" * 18, {"after": 10**18 - 1}),
        ("at=2026-11-01T00:00:00Z", {"at": datetime(2026, 11, 1, tzinfo=UTC)}),
        ("at=2026-11-01T01:00:00%2B01:00", {"at": datetime(2026, 11, 1, tzinfo=UTC)}),
        ("at=2026-11-01T01:00:00+01:00", {"at": datetime(2026, 11, 1, tzinfo=UTC)}),
        ("at=2016-12-31T23:59:60Z", {"at": datetime(2016, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)}),
        ("at=2026-11-01T00:00:00.1234567Z", {"at": datetime(2026, 11, 1, 0, 0, 0, 123456, tzinfo=UTC)}),
    ),
)  # fmt: skip
def test_what_is_right_is_read(query: str, values: dict[str, object]) -> None:
    assert read(query) == (values, [])


@pytest.mark.parametrize(
    ("query", "found"),
    (
        ("colour=red", (Reason.UNKNOWN, "colour")),
        ("Limit=1", (Reason.UNKNOWN, "Limit")),
        ("limit", (Reason.MALFORMED, "limit")),
        ("limit=", (Reason.MALFORMED, "limit")),
        ("limit=-1", (Reason.MALFORMED, "limit")),
        ("limit=%2B5", (Reason.MALFORMED, "limit")),
        ("limit=5.0", (Reason.MALFORMED, "limit")),
        ("limit=1e2", (Reason.MALFORMED, "limit")),
        ("limit=05", (Reason.MALFORMED, "limit")),
        ("limit=00", (Reason.MALFORMED, "limit")),
        ("limit=5%20", (Reason.MALFORMED, "limit")),
        ("limit=%D9%A3", (Reason.MALFORMED, "limit")),
        ("limit=%C2%B2", (Reason.MALFORMED, "limit")),
        ("limit=0", (Reason.OUT_OF_RANGE, "limit")),
        ("limit=1001", (Reason.OUT_OF_RANGE, "limit")),
        ("limit=" + "9" * 10_000, (Reason.OUT_OF_RANGE, "limit")),
        ("account=Main", (Reason.MALFORMED, "account")),
        ("account=main%0A", (Reason.MALFORMED, "account")),
        ("account=" + "a" * 254, (Reason.MALFORMED, "account")),
        ("state=active", (Reason.MALFORMED, "state")),
        ("unbound=True", (Reason.MALFORMED, "unbound")),
        ("unbound=1", (Reason.MALFORMED, "unbound")),
        ("id=", (Reason.MALFORMED, "id")),
        ("id=" + "a" * 129, (Reason.MALFORMED, "id")),
        ("any=", (Reason.MALFORMED, "any")),
        ("by=", (Reason.MALFORMED, "by")),
        ("by=+ada", (Reason.MALFORMED, "by")),
        ("by=" + "a" * 257, (Reason.MALFORMED, "by")),
        ("after=1" + "0" * 18, (Reason.OUT_OF_RANGE, "after")),
        ("id=a%00", (Reason.MALFORMED, "id")),
        ("id=%C3%A9", (Reason.MALFORMED, "id")),
        ("id=%zz", (Reason.MALFORMED, "id")),
        ("id=%", (Reason.MALFORMED, "id")),
        ("id=%ff", (Reason.MALFORMED, "id")),
        ("id=%ED%A0%80", (Reason.MALFORMED, "id")),
        ("at=2026-11-01", (Reason.MALFORMED, "at")),
        ("at=2026-11-01T00:00:00", (Reason.MALFORMED, "at")),
        ("at=0000-01-01T00:00:00Z", (Reason.MALFORMED, "at")),
        ("at=9999-12-31T23:59:59-01:00", (Reason.MALFORMED, "at")),
        ("at=2026-02-29T00:00:00Z", (Reason.MALFORMED, "at")),
        ("at=1&at=2", (Reason.REPEATED, "at")),
        ("limit=1&limit=1", (Reason.REPEATED, "limit")),
    ),
)
def test_what_is_wrong_is_named(query: str, found: tuple[str, str]) -> None:
    assert read(query) == ({}, [found])


def test_all_that_is_wrong_is_named_at_once() -> None:
    values, found = read("limit=0&colour=red&at=then&colour=blue&account=A&account=b&state=Active&colour")
    assert values == {"state": "Active"}
    assert found == [
        (Reason.OUT_OF_RANGE, "limit"),
        (Reason.UNKNOWN, "colour"),
        (Reason.MALFORMED, "at"),
        (Reason.REPEATED, "account"),
    ]


def test_a_name_that_is_no_text_is_unknown() -> None:
    assert read(b"%ff=1")[1] == [(Reason.UNKNOWN, "%ff")]
    assert read(b"\xff=1")[1][0][0] == Reason.UNKNOWN


@pytest.mark.parametrize("raw", (b"WEB", b"web%00", b"%ff", b"%zz", b"..", b"-web", b"web%0a", b"w" * 254, b"w%20b"))
def test_a_part_of_a_path_that_cannot_be_a_name_is_named(raw: bytes) -> None:
    names, violations = read_names({"organization": b"acme", "project": raw})
    assert names == {"organization": "acme"}
    assert [(one.reason, one.field) for one in violations] == [(Reason.MALFORMED, "project")]


def test_names_in_paths_may_be_encoded() -> None:
    assert read_names({"project": b"w%65b.shop"}) == ({"project": "web.shop"}, [])


def test_names_of_replays_have_no_dots() -> None:
    assert read_names({"name": b"usage-2027"})[0] == {"name": "usage-2027"}
    assert read_names({"name": b"usage.2027"})[0] == {}
    assert read_names({"name": b"u" * 65})[0] == {}


def test_little_is_quoted_and_readers_of_json_take_it() -> None:
    values, violations = read_query(PARAMETERS, b"x" * 5000 + b"=1")
    assert values == {}
    assert max(map(len, violations[0].message.split('"'))) <= LONGEST_QUOTE
    assert quoted("\ud800") == "?"
    assert read(quote("é" * 200) + "=1")[1][0][0] == Reason.UNKNOWN


def test_one_that_does_not_go_with_another_is_named() -> None:
    found = conflicting("at", "It goes without `account`.")
    assert (found.reason, found.field, found.message) == (Reason.CONFLICTING, "at", "It goes without `account`.")


def test_no_text_holds_nul() -> None:
    wrong = read_query(PARAMETERS, b"id=a%00")[1]
    assert [one.message for one in wrong] == ["It must not contain NUL."]
