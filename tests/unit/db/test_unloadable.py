"""Rows that an audit loads one by one: what cannot be loaded is named, without what it holds."""

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import pytest

from db import audit
from db.audit import Unloadable
from db.rows import ACCOUNT_TYPES, PROFILE_TYPES
from domain.state import Account, PaymentProfile

_NOON = datetime(2027, 1, 31, 12, tzinfo=UTC)
_PROFILE: dict[str, Any] = dict.fromkeys(PROFILE_TYPES) | {
    "organization": "acme", "payment_profile": "card", "kind": "CreditCard", "state": "Valid", "version": 1,
    "origin": '{"caused_by":"f1","sender":"/rm","passed_on":{}}',
}  # fmt: skip
_ACCOUNT: dict[str, Any] = dict.fromkeys(ACCOUNT_TYPES) | {
    "organization": "acme", "account": "main", "version": 1, "phases": 1, "sequence": 1, "phase": "Provisioning",
    "conditions": "[]", "holds": "[]",
}  # fmt: skip


@pytest.mark.parametrize(
    ("said", "instant"),
    (
        (None, None),
        ("2027-01-31 12:00:00+00", _NOON),
        ("-infinity", datetime.min.replace(tzinfo=UTC)),
        ("infinity", datetime.max.replace(tzinfo=UTC)),
    ),
)
def test_instants_are_read_from_text(said: str | None, instant: datetime | None) -> None:
    profile = audit._PROFILES.record_of(_PROFILE | {"expires_at": said})
    assert isinstance(profile, PaymentProfile)
    assert (profile.expires_at, profile.version, profile.due_at) == (instant, 1, None)


def test_a_row_is_read_by_its_prefix() -> None:
    account = audit._ACCOUNTS.record_of({f"account_{name}": value for name, value in _ACCOUNT.items()}, "account_")
    assert isinstance(account, Account)
    assert account.key == ("acme", "main")
    assert {one.name for one in fields(Account)} - {"balance"} <= audit._ACCOUNTS.types.keys()


@pytest.mark.parametrize(
    ("row", "trouble"),
    (
        ({"expires_at": "20270-01-31 12:00:00+00"}, "20270-01-31 12:00:00+00 is beyond the calendar"),
        ({"origin": '{"caused_by":"secret"}'}, "Field required"),
        ({"state": "secret", "origin": '{"sender":7}'}, "Field required; Input should be a valid string"),
    ),
)
def test_what_cannot_be_loaded_is_named_without_what_it_holds(row: dict[str, Any], trouble: str) -> None:
    found = audit._PROFILES.record_of(_PROFILE | row)
    assert found == Unloadable("acme/card", f"its row of payment_profiles cannot be loaded: {trouble}")


def test_what_is_no_text_for_the_driver_is_asked_for_as_text() -> None:
    columns = audit._PROFILES.columns("profile", "p_").split(", ")
    assert "CAST(profile.origin AS text) AS p_origin" in columns
    assert "CAST(profile.expires_at AS text) AS p_expires_at" in columns
    assert "profile.version AS p_version" in columns
