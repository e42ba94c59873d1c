"""What an event of the log changes in what a watch shows: the objects before and after it, exactly as of its place."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from service.kubernetes.changes import (
    Accounts,
    Change,
    Told,
    accounts_named,
    changed_accounts,
    changed_bindings,
    profiles_named,
    told,
)
from service.kubernetes.resources import BILLING_ACCOUNT_BINDINGS, BILLING_ACCOUNTS
from service.kubernetes.selectors import read_selection

_NOON = "2027-01-31T12:00:00.000000Z"
_STATE: dict[str, Any] = {
    "account": "main", "phase": "Ready", "paymentProfile": "card", "currencyCode": "EUR", "displayName": None,
    "paymentTerms": None, "conditions": [], "version": 3,
}  # fmt: skip


def _event(name: str, **data: Any) -> bytes:
    return orjson.dumps({"type": f"io.milo.billing.{name}.v1", "sequence": "00000000000000000007", "data": data})


def _moved(previous: str | None, current: str | None) -> bytes:
    return _event(
        "BindingChanged",
        project="web",
        previous=previous and {"account": previous, "establishedAt": _NOON, "endedAt": _NOON},
        current=current and {"account": current, "establishedAt": _NOON},
    )


_CHANGED, _OTHER = _event("AccountChanged", **_STATE), _event("ProjectBillingNotice", account="x", project="web")


def test_accounts_and_profiles_that_events_are_about() -> None:
    assert accounts_named([]) == accounts_named([_OTHER]) == set()
    assert accounts_named([_CHANGED, _moved("a", None), _moved("b", "c"), _moved(None, "d")]) == {"main", *"abcd"}
    assert profiles_named([_CHANGED, _OTHER, _moved("a", "b")], [None, _STATE | {"paymentProfile": "old"}]) == {
        "card", "old"
    }  # fmt: skip
    assert profiles_named([_event("AccountChanged", **_STATE | {"paymentProfile": None})], []) == set()


def test_a_change_of_payer_changes_the_bound_projects_of_both_accounts() -> None:
    states = {"a": _STATE | {"account": "a"}, "b": _STATE | {"account": "b"}, "c": None}
    created = dict.fromkeys("abc", datetime(2027, 1, 1, tzinfo=UTC))
    known = Accounts(dict(states), created, {"a": 3, "b": 0})

    def linked(value: bytes) -> list[tuple[str, int, int]]:
        return [
            (change.after["metadata"]["name"], *(one["status"]["linkedProjectsCount"] for one in change if one))
            for change in changed_accounts("acme", 9, value, known)
            if change.before is not None
        ]

    assert linked(_moved("a", "b")) == [("a", 3, 2), ("b", 0, 1)]
    assert linked(_moved("a", None)) == [("a", 2, 1)]
    assert linked(_moved(None, "b")) == [("b", 1, 2)]
    assert linked(_OTHER) == []
    # Of an account that is not there yet nothing is shown, but it is counted.
    assert linked(_moved(None, "c")) == []
    (created_now,) = changed_accounts("acme", 9, _event("AccountChanged", **_STATE | {"account": "c"}), known)
    assert created_now.before is None
    assert created_now.after["status"]["linkedProjectsCount"] == 1


def test_what_was_before_an_archived_state_is_not_taken_for_the_same() -> None:
    """Of such an account no more than its phase is known: the rest is as it was told next."""
    known = Accounts({"main": _STATE | {"phase": "Ready"}}, {"main": datetime(2027, 1, 1, tzinfo=UTC)}, {"main": 1})
    known.guessed = {"main"}
    everything = read_selection(BILLING_ACCOUNTS, "", "")
    ((bound,), (first,), (again,)) = (
        list(changed_accounts("acme", 9, value, known)) for value in (_moved(None, "main"), _CHANGED, _CHANGED)
    )
    assert [told(BILLING_ACCOUNTS, everything, one) for one in (bound, first, again)] == [
        Told("MODIFIED", bound.after),
        Told("MODIFIED", first.after),
        None,
    ]
    known.guessed = {"main"}
    (held,) = changed_accounts("acme", 9, _event("AccountChanged", **_STATE | {"phase": "Suspended"}), known)
    gone = told(BILLING_ACCOUNTS, read_selection(BILLING_ACCOUNTS, "status.phase=Ready", ""), held)
    assert gone == Told("DELETED", first.after), "of the version of the change"


@pytest.mark.parametrize(
    ("previous", "current", "numbers"),
    ((None, "b", ["7"]), ("a", None, ["6"]), ("a", "b", ["6", "7"])),
)
def test_one_binding_ends_and_another_begins(previous: str | None, current: str | None, numbers: list[str]) -> None:
    changes = list(changed_bindings("acme", 9, _moved(previous, current)))
    assert [change.after["metadata"]["name"].rpartition("-")[2] for change in changes] == numbers
    assert [change.before is None for change in changes] == [number == "7" for number in numbers]
    assert [change.before == change.after for change in changes] == [False] * len(changes)
    assert list(changed_bindings("acme", 9, _CHANGED)) == []


def test_what_a_watch_is_told() -> None:
    ended, begun = changed_bindings("acme", 9, _moved("a", "b"))

    def watched(change: Change, fields: str = "") -> Told | None:
        return told(BILLING_ACCOUNT_BINDINGS, read_selection(BILLING_ACCOUNT_BINDINGS, fields, ""), change)

    assert watched(begun) == Told("ADDED", begun.after)
    assert ended.before is not None
    assert watched(ended) == watched(ended, "status.phase=Active") == Told("DELETED", ended.before)
    assert watched(ended, "status.phase!=Released") == Told("MODIFIED", ended.after)
    assert watched(ended, "status.phase!=Active") == Told("ADDED", ended.after)
    assert watched(begun, "status.phase!=Active") is watched(begun, "metadata.name=other") is None
    assert watched(Change(ended.before, ended.before)) is None
