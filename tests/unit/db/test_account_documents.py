"""An account is told from its row as from its record, which who asks need not import (docs/contract.md section 7)."""

import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from pydantic import TypeAdapter

from db.account_rows import account_row
from db.questions.account_documents import (
    PHASES,
    account_document,
    balance_document,
    blockers_document,
)
from db.questions.accounts import _phase
from domain.bound_projects import BoundProjects
from domain.closure import closure_blockers
from domain.reach import EVERYTHING
from domain.state import Account, Balance
from schemas.events import AccountState, Closure, Condition, Hold, Phase, PhaseReason, Reactivation
from schemas.preferences import EInvoicing, Preferences, TaxRegistration
from schemas.terms import EarlyPaymentDiscount, LatePaymentPenalty, PaymentTerms

NOON = datetime(2026, 11, 27, 12, 0, 0, 250, tzinfo=UTC)
_STATE = TypeAdapter(AccountState)
_BARE = Account(organization="acme", account="main")
_FULL = Account(
    organization="acme",
    account="main",
    version=7,
    phase=Phase.SUSPENDED,
    conditions=(
        Condition(
            type="NoHolds",
            status="False",
            reason=PhaseReason.ADMINISTRATIVE,
            message="ü",
            last_transition_time=NOON,
        ),
    ),
    display_name="Main",
    currency_code="EUR",
    payment_terms=PaymentTerms(
        early_payment_discount=EarlyPaymentDiscount(percent=Decimal("2.50"), within_days=3),
        late_payment_penalty=LatePaymentPenalty(annual_percent=Decimal(8), grace_days=2),
    ),
    preferences=Preferences(
        tax_registrations=(TaxRegistration(country="DE", number="DE136695976"),),
        e_invoicing=EInvoicing(standard="XRechnung"),
        data_residency="Eu",
    ),
    payment_profile="card",
    holds=(
        Hold(
            reason="Administrative",
            message=None,
            by="alice",
            placed_at=NOON,
            reactivation=Reactivation(by="bob", resolution="done", requested_at=NOON),
        ),
        Hold(reason="PaymentFailure", message="m", by="alice", placed_at=NOON),
    ),
    closure=Closure(by="alice", reason=None, requested_at=NOON),
    activated_at=NOON,
)


def _row(account: Account) -> dict[str, Any]:
    """Return a row as the database has it: what is JSON has its members in another order."""
    row = account_row(account)
    return {
        name: json.dumps(json.loads(value), sort_keys=True) if isinstance(value, str) and value[:1] in "[{" else value
        for name, value in row.items()
    }


def _without(name: str) -> Account:
    nothing: dict[str, Any] = {name: None}
    return replace(_FULL, **nothing)


_PARTS = ("payment_terms", "preferences", "closure", "display_name", "currency_code", "payment_profile", "activated_at")


@pytest.mark.parametrize(
    "account",
    (
        _BARE,
        _FULL,
        replace(_FULL, payment_terms=PaymentTerms(), preferences=Preferences()),
        *(_without(name) for name in _PARTS),
    ),
)
def test_what_a_row_tells_is_what_its_record_tells(account: Account) -> None:
    told = account_document(_row(account))
    assert json.dumps(told) == json.dumps(_STATE.dump_python(AccountState.of(account), mode="json"))


def test_every_member_of_a_record_is_in_the_example_above() -> None:
    """A new member is missing in what is told from a row, which the test above only sees of what it has."""
    unset = {"phases", "sequence", "balance"}
    assert {one.name for one in fields(Account) if getattr(_FULL, one.name) != one.default} >= {
        one.name for one in fields(Account)
    } - unset
    assert set(PHASES) == set(Phase)


def test_a_new_column_is_told_by_its_name() -> None:
    assert account_document(_row(_FULL) | {"cost_center": "x"}) == account_document(_row(_FULL)) | {"costCenter": "x"}


_BALANCES = [
    None,
    *(
        Balance(outstanding=Decimal(amount), currency_code="EUR", as_of=NOON + timedelta(days=days))
        for amount, days in product(("0", "12.50", "-1"), (-1, 0, 1))
    ),
]


@pytest.mark.parametrize("balance", _BALANCES)
@pytest.mark.parametrize("phase", (Phase.READY, Phase.ARCHIVED))
@pytest.mark.parametrize("activated_at", (None, NOON))
@pytest.mark.parametrize("bound", (BoundProjects(), BoundProjects(0, [], NOON), BoundProjects(2, ["a", "b"], NOON)))
def test_what_blocks_closure_is_what_a_refusal_names(
    balance: Balance | None, phase: Phase, activated_at: datetime | None, bound: BoundProjects
) -> None:
    account = replace(_FULL, balance=balance, phase=phase, activated_at=activated_at)
    refused = [] if phase is Phase.ARCHIVED else closure_blockers(account, bound)
    told = blockers_document(_row(account), bound, EVERYTHING, with_balance=True)
    assert json.dumps(told) == json.dumps([one.model_dump(mode="json") for one in refused])
    assert (balance_document(_row(account)) is None) is (balance is None)


def test_where_a_phase_was_told_and_by_whom() -> None:
    names = ("organization", "account", "previous_phase", "phase", "reason", "message")
    at = datetime(2027, 1, 31, 12, tzinfo=UTC)
    row = {**dict.fromkeys(names), "by": "alice", "entered_at": at, "shard": 3, "position": 7}
    told = _phase(row | {"value": b'{"data":{"cause":{"by":"alice","commandId":"c1"}}}'})
    assert (told["cause"], told["eventId"]) == ({"by": "alice", "commandId": "c1"}, "3-7")
    # Its event is archived; of an old one it is not known where it stands.
    told = _phase(row | {"value": None, "position": None})
    assert (told["cause"], told["eventId"]) == ({"by": "alice"}, None)
