"""Versions of payment profiles (docs/contract.md section 3)."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.messages import Due, DueKind
from schemas.results import DeadLetter
from tests.unit.domain.building import MICROSECOND, NOON, Desk, ready_desk


def test_a_lower_version_is_stale_and_so_is_the_same_content_again() -> None:
    desk = ready_desk()
    content: dict[str, Any] = {
        "reference": "tok",
        "country": "CH",
        "expiresAt": "2030-01-01T01:00:00+01:00",
        "reason": "x",
    }
    assert not desk.profile("Invalid", 10, **content).is_stale
    before = desk.memory()
    assert desk.profile("Valid", 9).is_stale
    assert desk.profile("Invalid", 10, **content | {"expiresAt": "2030-01-01T00:00:00Z"}).is_stale
    assert desk.profile("Invalid", 10, **content, labels=["more"]).is_stale
    assert desk.memory() == before


@pytest.mark.parametrize(
    "changed",
    (
        {"state": "Valid"},
        {"state": "Removed"},
        {"kind": "Invoice"},
        {"reference": "other"},
        {"reference": None},
        {"country": "DE"},
        {"expiresAt": "2031-01-01T00:00:00Z"},
        {"reason": "y"},
    ),
)
def test_the_same_version_with_other_content_is_a_conflict(changed: dict[str, Any]) -> None:
    desk = ready_desk()
    content: dict[str, Any] = {
        "version": 2,
        "state": "Invalid",
        "reference": "tok",
        "country": "CH",
        "expiresAt": "2030-01-01T00:00:00Z",
        "reason": "x",
    }
    desk.profile(**content)
    before = desk.memory()
    said = desk.profile(**content | changed)
    assert said.one(DeadLetter).reason == "VersionConflict"
    assert desk.memory() == before


@pytest.mark.parametrize("state", ("Valid", "Invalid", "Removed"))
@pytest.mark.parametrize("version", (1, 2, 3))
def test_a_removed_profile_stays_removed(state: str, version: int) -> None:
    desk = ready_desk()
    desk.profile("Removed", 2)
    before = desk.memory()
    assert desk.profile(state, version).is_stale
    assert desk.profile(state, version, kind="Invoice").is_stale
    assert desk.memory() == before
    assert desk.attach().outcome == "Unchanged"


def test_a_profile_belongs_to_its_organization() -> None:
    desk = ready_desk()
    desk.profile("Removed", 2, organization="beta")
    assert desk.phase() == "Ready"
    assert not desk.profile(version=3).is_stale


def _due_at(desk: Desk) -> datetime | None:
    """Return when the expiry of the profile has to be looked at."""
    known = desk.book.payment_profile("acme", "card-1")
    assert known is not None
    return known.due_at


def test_an_expiry_that_is_past_when_reported() -> None:
    desk = ready_desk()
    desk.now = NOON + timedelta(hours=1)
    said = desk.profile(version=2, expiresAt="2027-01-31T13:00:00Z")
    assert said.phases == ["Incomplete", "Incomplete"]
    assert {violation.reason for violation in desk.bind().result.violations} == {"AccountNotReady"}
    assert _due_at(desk) is None
    desk.now = NOON + timedelta(hours=2)
    assert desk.profile(version=3, expiresAt="2027-01-31T14:00:00.000001Z").phases == ["Ready", "Ready"]
    assert _due_at(desk) == NOON + timedelta(hours=2) + MICROSECOND
    desk.profile("Invalid", 4, expiresAt="2027-01-31T15:00:00Z")
    assert _due_at(desk) is None


def test_an_expiry_goes_back_to_the_fact_that_told_it() -> None:
    desk = Desk()
    desk.profile(expiresAt=(NOON + timedelta(hours=1)).isoformat())
    desk.create(paymentProfile="card-1", currencyCode="USD", paymentTerms={})
    desk.now = NOON + timedelta(hours=1)
    said = desk.hear(Due(DueKind.PAYMENT_PROFILE, "acme", "card-1"))
    assert said.phases == ["Incomplete"]
    assert (said.account.cause.fact_id, said.account.cause.command_id, said.account.cause.by) == ("m-1", None, "alice")
    assert desk.hear(Due(DueKind.PAYMENT_PROFILE, "acme", "card-1")).outgoing == []


def test_an_unknown_profile_is_kept_for_later() -> None:
    desk = Desk()
    said = desk.profile()
    assert (said.outgoing, said.folded.stale_facts) == ([], 0)
    assert desk.create(paymentProfile="card-1", currencyCode="USD", paymentTerms={}).phases == ["Provisioning", "Ready"]
