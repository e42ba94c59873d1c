"""What keeps an account open, at each boundary (docs/contract.md section 5)."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.bound_projects import BoundProjects
from domain.closure import closure_blockers
from domain.state import Account, Balance
from schemas.listed import LISTED_PROJECTS
from tests.unit.domain.building import MICROSECOND, NOON, ready_desk

_ENDED = BoundProjects(last_ended_at=NOON)


def _account(owed: str | None, *, minutes: int = 0, micros: int = 0) -> Account:
    as_of = NOON + timedelta(minutes=minutes) + micros * MICROSECOND
    balance = None if owed is None else Balance(outstanding=Decimal(owed), currency_code="EUR", as_of=as_of)
    return Account(organization="acme", account="main", activated_at=NOON, balance=balance)


def _broken(account: Account, bound: BoundProjects) -> list[str]:
    return [str(one.reason) for one in closure_blockers(account, bound)]


@pytest.mark.parametrize(
    ("account", "bound", "is_open"),
    (
        (_account("0"), _ENDED, False),
        (_account("0.00", micros=1), _ENDED, False),
        (_account("0", micros=-1), _ENDED, True),
        (_account("0", minutes=-5), BoundProjects(), False),
        (_account("0.01"), _ENDED, True),
        (_account("-0.01"), _ENDED, True),
        (_account(None), BoundProjects(), True),
        (Account(organization="acme", account="main"), _ENDED, False),
    ),
)
def test_nothing_is_owed_as_of_the_last_end(account: Account, bound: BoundProjects, is_open: bool) -> None:
    assert _broken(account, bound) == (["ChargesOutstanding"] if is_open else [])


@pytest.mark.parametrize(
    ("account", "blockers"),
    (
        (_account("1.50"), {"outstanding": "1.5", "currencyCode": "EUR", "asOf": "2027-01-31T12:00:00.000000Z"}),
        (_account(None), {"outstanding": None, "currencyCode": None, "asOf": None}),
    ),
)
def test_what_is_outstanding_is_told(account: Account, blockers: dict[str, Any]) -> None:
    [broken] = closure_blockers(account, BoundProjects())
    assert (broken.blockers, broken.field) == (blockers, "/account")


@pytest.mark.parametrize(
    ("ahead", "reasons"), ((timedelta(minutes=5), []), (timedelta(minutes=5) + MICROSECOND, ["Invalid"]))
)
def test_a_balance_may_be_five_minutes_ahead_of_the_clock(ahead: timedelta, reasons: list[str]) -> None:
    desk = ready_desk()
    desk.now = NOON + timedelta(hours=1)
    as_of = (desk.now + ahead).isoformat()
    said = desk.command("ReportBalance", account="a", outstanding="0", currencyCode="USD", asOf=as_of)
    assert said.reasons == reasons


def test_bound_projects_are_told_with_their_number() -> None:
    names = [f"p{number:02d}" for number in range(LISTED_PROJECTS + 1)]
    [broken] = closure_blockers(_account("0"), BoundProjects(count=len(names), first=names))
    assert broken.blockers == {"count": 21, "projects": names[:20]}
    [broken] = closure_blockers(_account("0"), BoundProjects(count=1, first=["web"]))
    assert (str(broken.reason), broken.blockers) == ("ActiveBindingsExist", {"count": 1, "projects": ["web"]})
    assert _broken(_account("1"), BoundProjects(count=1, first=["web"])) == [
        "ActiveBindingsExist",
        "ChargesOutstanding",
    ]


@pytest.mark.parametrize(("chosen", "left"), (("c", None), ("a", "a")))
def test_an_account_that_is_closed_is_no_default_any_more(chosen: str, left: str | None) -> None:
    desk = ready_desk()
    desk.create("c")
    desk.command("SetDefaultAccount", account=chosen)
    desk.command("RequestClosure", account="c")
    assert desk.command("ApproveClosure", {"authid": "bob"}, account="c").account.phase == "Archived"
    assert desk.book.default_account("acme") == left


def test_of_two_reports_as_of_one_instant_the_later_counts() -> None:
    desk = ready_desk()
    as_of: dict[str, Any] = {"currencyCode": "USD", "asOf": NOON.isoformat()}
    outcomes = [desk.command("ReportBalance", account="a", outstanding=owed, **as_of).outcome for owed in "0110"]
    assert outcomes == ["Applied", "Applied", "Unchanged", "Applied"]
