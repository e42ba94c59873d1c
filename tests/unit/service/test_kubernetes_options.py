"""What a list or a watch may be asked with, what goes together, and what is selected."""

from typing import Any

import pytest

from db.questions.resources.keys import FIRST
from service.kubernetes.options import Options, parameters, read_options, write_continue
from service.kubernetes.resources import ACCOUNT, BILLING_ACCOUNT_BINDINGS, BILLING_ACCOUNTS, NAME, PHASE, PROJECT
from service.kubernetes.selectors import Requirement, Selection, read_selection
from service.kubernetes.statuses import Refusal

_FORBIDDEN, _UNSUPPORTED = "FieldValueForbidden", "FieldValueNotSupported"
_ACTIVE = Requirement(PHASE, True, "Active")
_LARGEST = 2**63 - 1
OF_THE_FIRST_VERSION = "eyJ2IjoxLCJydiI6MTIsImFmdGVyIjpbImFjbWUiLCJ3ZWIiLDNdLCJvZiI6IjhmMzUwN2ZiYzE4MTI5ODM1NSJ9"


def _read(**given: str) -> Options:
    return read_options(BILLING_ACCOUNTS, "acme", given)


def _refused(**given: str) -> dict[str, Any]:
    with pytest.raises(Refusal) as refused:
        _read(**given)
    return refused.value.document()


def _selected(fields: str = "", labels: str = "") -> Selection:
    return read_selection(BILLING_ACCOUNTS, fields, labels)


def test_nothing_given() -> None:
    asked = _read()
    assert (asked.is_watch, asked.position, asked.is_exact, asked.limit, asked.timeout_seconds) == (
        False,
        None,
        False,
        0,
        0,
    )
    assert (asked.after, asked.began_at, asked.has_bookmarks, asked.sends_initial_events) == (FIRST, None, False, None)
    assert asked.selection == Selection()


def test_everything_given() -> None:
    asked = _read(
        watch="true",
        allowWatchBookmarks="1",
        sendInitialEvents="",
        resourceVersion="17",
        resourceVersionMatch="NotOlderThan",
        timeoutSeconds="30",
        limit="7",
        fieldSelector="metadata.name=main",
    )
    assert (asked.is_watch, asked.has_bookmarks, asked.sends_initial_events) == (True, True, True)
    assert (asked.position, asked.is_exact, asked.timeout_seconds, asked.limit) == (17, False, 30, 7)
    assert asked.selection == Selection((Requirement(NAME, True, "main"),))
    assert _read(resourceVersion="3", resourceVersionMatch="Exact").is_exact


@pytest.mark.parametrize(
    ("value", "is_set"), (("false", False), ("0", False), ("FALSE", False), ("", True), ("x", True))
)
def test_flags_are_read_as_kubernetes_reads_them(value: str, is_set: bool) -> None:
    assert _read(watch=value).is_watch is is_set


@pytest.mark.parametrize(
    ("value", "limit"), (("-1", 0), ("0", 0), ("1", 1), (str(_LARGEST), _LARGEST), (str(-_LARGEST), 0))
)
def test_numbers_are_read(value: str, limit: int) -> None:
    assert _read(limit=value).limit == limit
    assert _read(timeoutSeconds=value).timeout_seconds == limit


@pytest.mark.parametrize("value", (str(_LARGEST + 1), str(-_LARGEST - 1), "1.0", "+1", "many", "1 ", "\u0661"))
def test_what_is_no_number(value: str) -> None:
    for name in ("limit", "timeoutSeconds"):
        assert _refused(**{name: value})["message"] == f'{name}: "{value}" is no integer'


def test_positions() -> None:
    assert [_read(resourceVersion=one).position for one in ("", "0", "5", str(_LARGEST))] == [None, 0, 5, _LARGEST]
    for value in (str(_LARGEST + 1), "-1", "x", "9" * 21):
        refused = _refused(resourceVersion=value)
        assert (refused["code"], refused["reason"]) == (400, "BadRequest")
        assert refused["message"] == f'resourceVersion: Invalid value: "{value}": it is no position'


def test_of_parameters_that_are_repeated_the_first_counts() -> None:
    assert parameters(b"limit=1&limit=2&watch=&fieldSelector=a%3Db") == {
        "limit": "1",
        "watch": "",
        "fieldSelector": "a=b",
    }
    assert len(parameters(b"&".join(b"p%d=" % number for number in range(1000)))) == 1000
    for query in (b"\xff", b"a=%ff", b"&".join([b"a="] * 1001)):
        with pytest.raises(Refusal, match="the query is malformed"):
            parameters(query)


@pytest.mark.parametrize("number", (0, 1, _LARGEST))
@pytest.mark.parametrize("began_at", (0, 12, _LARGEST))
def test_a_page_goes_on_where_the_one_before_ended(began_at: int, number: int) -> None:
    key = ("acme", "web", number)
    page = _read(**{"continue": write_continue(_read(), began_at, key)})
    assert (page.began_at, page.after) == (began_at, key)


def test_tokens_of_the_first_version_are_still_read() -> None:
    # A server of the next version goes on with a list that was begun at this one.
    page = _read(**{"continue": OF_THE_FIRST_VERSION})
    assert (page.began_at, page.after) == (12, ("acme", "web", 3))


def test_a_token_is_of_one_list() -> None:
    options = _read(fieldSelector="metadata.name!=x")
    token = write_continue(options, 3, ("acme", "web", 1))
    assert _read(fieldSelector="metadata.name!=x", limit="3", resourceVersion="0", **{"continue": token}).began_at == 3
    others = (
        write_continue(options, _LARGEST + 1, ("acme", "web", 1)),
        write_continue(options, 3, ("acme", "web", _LARGEST + 1)),
        write_continue(options, 3, ("ac\0me", "web", 1)),
        write_continue(options, 3, ("acme", "we\0b", 1)),
        "e30",
        "bnVsbA",
        "é",
        "A",
        "/w",
    )
    for other in others:
        refused = _refused(fieldSelector="metadata.name!=x", **{"continue": other})
        assert (refused["code"], refused["message"]) == (400, "continue key is not valid: it is not of this list")
    for given in ({}, {"fieldSelector": "metadata.name=x"}, {"labelSelector": "!a"}):
        assert _refused(**given, **{"continue": token})["code"] == 400
    for resource, organization in ((BILLING_ACCOUNT_BINDINGS, "acme"), (BILLING_ACCOUNTS, None)):
        with pytest.raises(Refusal):
            read_options(resource, organization, {"fieldSelector": "metadata.name!=x", "continue": token})
    refused = _refused(fieldSelector="metadata.name!=x", resourceVersion="5", **{"continue": token})
    assert refused["message"] == "specifying resource version is not allowed when using continue"


@pytest.mark.parametrize(
    ("given", "causes"),
    (
        (
            {"resourceVersionMatch": "Exact"},
            [(_FORBIDDEN, "resourceVersionMatch is forbidden unless resourceVersion is provided")],
        ),
        (
            {"resourceVersionMatch": "Exact", "resourceVersion": "0"},
            [(_FORBIDDEN, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"')],
        ),
        (
            {"resourceVersionMatch": "Exact", "resourceVersion": "3", "continue": "e30"},
            [(_FORBIDDEN, "resourceVersionMatch is forbidden when continue is provided")],
        ),
        (
            {"sendInitialEvents": "false"},
            [(_FORBIDDEN, "sendInitialEvents is forbidden for list")],
        ),
        (
            {"watch": "1", "sendInitialEvents": "true"},
            [(_FORBIDDEN, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")],
        ),
        (
            {"watch": "1", "resourceVersion": "3", "resourceVersionMatch": "NotOlderThan"},
            [(_FORBIDDEN, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")],
        ),
        (
            {"watch": "1", "sendInitialEvents": "1", "resourceVersion": "3", "resourceVersionMatch": "Exact"},
            [
                (_FORBIDDEN, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"),
                (_UNSUPPORTED, 'Unsupported value: "Exact": supported values: NotOlderThan'),
            ],
        ),
        (
            {"resourceVersion": "3", "resourceVersionMatch": "Newest"},
            [(_UNSUPPORTED, 'Unsupported value: "Newest": supported values: Exact, NotOlderThan')],
        ),
    ),
)
def test_what_does_not_go_together(given: dict[str, str], causes: list[tuple[str, str]]) -> None:
    refused = _refused(**given)
    assert (refused["code"], refused["reason"], refused["details"]["kind"]) == (422, "Invalid", "ListOptions")
    found = refused["details"]["causes"]
    assert [(one["reason"], one["message"].removeprefix("Forbidden: ")) for one in found] == causes
    fields = ["sendInitialEvents" if "for list" in said else "resourceVersionMatch" for _, said in causes]
    assert [one["field"] for one in found] == fields
    told = ", ".join(f"{one['field']}: {one['message']}" for one in found)
    assert refused["message"] == f'ListOptions.meta.k8s.io "" is invalid: {told}'


@pytest.mark.parametrize(
    ("selector", "requirements"),
    (
        ("", []),
        (",", []),
        ("metadata.name=a", [(NAME, True, "a")]),
        ("metadata.name==a", [(NAME, True, "a")]),
        ("metadata.name!=a,status.phase=", [(NAME, False, "a"), (PHASE, True, "")]),
        (r"metadata.name=a\,b,status.phase=c\=d\\e", [(NAME, True, "a,b"), (PHASE, True, r"c=d\e")]),
    ),
)
def test_field_selectors(selector: str, requirements: list[tuple[str, bool, str]]) -> None:
    assert _selected(selector) == Selection(tuple(Requirement(*one) for one in requirements))


@pytest.mark.parametrize(
    ("selector", "said"),
    (
        ("metadata.name", "invalid selector: 'metadata.name'; can't understand 'metadata.name'"),
        ("metadata.name=a=b", "invalid field selector: unescaped character in 'a=b'"),
        ("metadata.name=a\\", "invalid field selector: unescaped character in 'a\\'"),
        (
            "a=b",
            (
                'Unable to find "billing.milo.io/v1alpha1, Resource=billingaccounts" that match label selector "", '
                'field selector "a=b": field label not supported: a'
            ),
        ),
    ),
)
def test_field_selectors_that_are_none(selector: str, said: str) -> None:
    with pytest.raises(Refusal) as refused:
        _selected(selector)
    assert (refused.value.code, refused.value.message) == (400, said)


@pytest.mark.parametrize(
    ("selector", "is_empty"),
    (
        ("", False),
        (" ", False),
        ("tier", True),
        ("!tier", False),
        ("! tier", False),
        ("tier=gold", True),
        ("tier==gold", True),
        ("tier!=gold", False),
        ("tier=", True),
        ("tier in (gold,silver)", True),
        ("tier notin (gold, silver)", False),
        ("tier<3", True),
        ("tier > -3", True),
        ("!a,b", True),
        ("b,!a", True),
        ("!a,!b", False),
        ("example.com/tier", True),
    ),
)
def test_label_selectors(selector: str, is_empty: bool) -> None:
    assert _selected(labels=selector).is_empty is is_empty


@pytest.mark.parametrize("selector", ("=a", "a in b", "a in (b", "-a", "a,", ",a", "a,,b", "A.com/b", "/b", "a=-b"))
def test_label_selectors_that_are_none(selector: str) -> None:
    with pytest.raises(Refusal, match="unable to parse requirement"):
        _selected(labels=selector)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("blanks", (",  ", " , ", ",\t\t"))
def test_a_selector_with_many_blanks_is_not_read_in_every_possible_way(blanks: str) -> None:
    """If it were, the time would triple with each comma, and the test would never end."""
    with pytest.raises(Refusal):
        _selected(labels=f"tier in ({blanks * 100}")
    assert _selected(labels=f"tier in ({blanks * 100})").is_empty


def test_of_bindings_the_active_ones_are_selected() -> None:
    assert read_selection(BILLING_ACCOUNT_BINDINGS, "", "") == Selection((_ACTIVE,))
    named = Requirement(PROJECT, True, "web")
    assert read_selection(BILLING_ACCOUNT_BINDINGS, f"{PROJECT}=web", "").requirements == (named, _ACTIVE)
    ended = (Requirement(PHASE, False, "Active"),)
    assert read_selection(BILLING_ACCOUNT_BINDINGS, f"{PHASE}!=Active", "").requirements == ended


def test_what_a_selection_has() -> None:
    shown = {NAME: "web-1", PROJECT: "web", ACCOUNT: "main"}
    assert Selection().has(shown)
    assert not Selection(is_empty=True).has(shown)
    web, other = Requirement(PROJECT, True, "web"), Requirement(ACCOUNT, False, "main")
    assert Selection((web,)).has(shown)
    assert not Selection((web, other)).has(shown)
    assert not Selection((Requirement(PROJECT, False, "web"),)).has(shown)
    assert Selection((web, Requirement(ACCOUNT, False, "spare"))).has(shown)


def test_the_one_value_of_a_field() -> None:
    web, other = Requirement(PROJECT, True, "web"), Requirement(ACCOUNT, False, "main")
    assert (Selection((other, web)).only(PROJECT), Selection((other, web)).only(ACCOUNT)) == ("web", None)
    assert Selection((web, Requirement(PROJECT, True, "api"))).only(PROJECT) == "web"


def test_what_is_required_beyond_one_value_of_fields() -> None:
    web, other = Requirement(PROJECT, True, "web"), Requirement(ACCOUNT, False, "main")
    assert not Selection().narrows_beyond()
    assert not Selection((web,)).narrows_beyond(PROJECT)
    assert not Selection((web, web)).narrows_beyond(PROJECT, ACCOUNT)
    assert Selection((web,)).narrows_beyond(ACCOUNT)
    assert Selection((web, other)).narrows_beyond(PROJECT, ACCOUNT)
    assert Selection((web, Requirement(PROJECT, True, "api"))).narrows_beyond(PROJECT)
