"""The binding rules, enumerated: all that are broken are named, in order (docs/contract.md section 5)."""

import itertools
from dataclasses import replace
from typing import Any

import pytest

from domain.state import Account
from schemas.events import Closure, Phase
from tests.unit.domain.building import NOON, READY, Desk, ready_desk

# Each rule's violations; what is absent or archived is judged by no other rule.
ACCOUNTS = {
    "absent": ["AccountNotFound"],
    "of another organization": ["AccountNotFound"],
    "Provisioning": ["AccountNotReady"],
    "Incomplete": ["AccountNotReady"],
    "Ready": [],
    "Suspended": ["AccountNotReady"],
    "Archived": ["AccountArchived"],
    "Provisioning, closing": ["AccountNotReady", "AccountClosing"],
    "Incomplete, closing": ["AccountNotReady", "AccountClosing"],
    "Ready, closing": ["AccountClosing"],
    "Suspended, closing": ["AccountNotReady", "AccountClosing"],
}
PROJECTS = {
    "absent": ["ProjectNotFound"],
    "of another organization": ["ProjectNotFound"],
    "Active": [],
    "Inactive": ["ProjectNotActive"],
    "Deleted": ["ProjectNotFound"],
}
EXPECTATIONS = ("unsaid", "null", "right", "wrong")
PAYERS = {"unbound": None, "the same": "a", "another": "b"}
ORDER = [
    "AccountNotFound", "AccountArchived", "ProjectNotFound", "ProjectNotActive", "AccountNotReady", "AccountClosing",
    "PreconditionFailed",
]  # fmt: skip
RETRYABLE = {reason for reason in ORDER if reason != "AccountArchived"}
FIELDS = {"Account": "/account", "Project": "/project", "Precon": "/expectedAccount"}

HAS_NO_PAYER = ("absent", "of another organization", "Deleted")
PAYS_NOBODY = ("absent", "of another organization", "Archived")
CASES = [
    case
    for case in itertools.product(ACCOUNTS, PROJECTS, EXPECTATIONS, PAYERS)
    if not (case[1] in HAS_NO_PAYER and case[3] != "unbound") and not (case[0] in PAYS_NOBODY and case[3] == "the same")
]


def _account(standing: str) -> Account | None:
    phase, _, closing = standing.partition(", ")
    if phase in ("absent", "of another organization"):
        return None
    desk = Desk()
    desk.profile()
    members = {"Provisioning": {}, "Incomplete": READY | {"paymentProfile": "card-9"}}.get(phase, READY)
    desk.create("a", **members)
    if phase == "Suspended":
        desk.suspend()
    account = desk.book.account("acme", "a")
    assert account is not None
    if phase == "Archived":
        account = replace(account, phase=Phase.ARCHIVED)
    assert account.phase == phase
    return replace(account, closure=Closure(by="carol", reason=None, requested_at=NOON)) if closing else account


STANDINGS = {standing: _account(standing) for standing in ACCOUNTS}


def _desk(account: str, project: str, payer: str | None) -> Desk:
    """Return a desk at which all is as told; another organization has an account and a project of the same names."""
    desk = Desk()
    desk.profile(organization="beta")
    desk.create("a", organization="beta", **READY)
    desk.project(organization="beta")
    known = STANDINGS[account]
    desk.book.load([known] if known else [])
    if project in ("Active", "Inactive", "Deleted"):
        desk.project(project)
    if payer:
        reported = desk.book.project("acme", "p1")
        assert reported is not None
        desk.book.load([replace(reported, number=1, account=payer, payer_since=NOON)])
    return desk


def _said(expectation: str, payer: str | None) -> dict[str, Any]:
    match expectation:
        case "unsaid":
            return {}
        case "null":
            return {"expectedAccount": None}
        case "right":
            return {"expectedAccount": payer}
        case _:
            return {"expectedAccount": "somebody"}


def _expected(account: str, project: str, expectation: str, payer: str | None) -> list[str]:
    is_met = expectation in ("unsaid", "right") or (expectation == "null" and payer is None)
    precondition = [] if is_met or project in HAS_NO_PAYER else ["PreconditionFailed"]
    return sorted([*ACCOUNTS[account], *PROJECTS[project], *precondition], key=ORDER.index)


@pytest.mark.parametrize("project", PROJECTS)
@pytest.mark.parametrize("account", ACCOUNTS)
def test_every_rule_that_is_broken_is_named(account: str, project: str) -> None:
    for expectation, bound in (case[2:] for case in CASES if case[:2] == (account, project)):
        _is_named(account, project, expectation, bound)


def _is_named(account: str, project: str, expectation: str, bound: str) -> None:
    payer = PAYERS[bound]
    desk = _desk(account, project, payer)
    said = desk.bind(**_said(expectation, payer))
    expected = _expected(account, project, expectation, payer)

    assert said.reasons == expected
    assert (said.result.account, said.result.project) == ("a", "p1")
    for violation in said.result.violations:
        assert violation.retryable is (violation.reason in RETRYABLE)
        assert violation.field == FIELDS["Precon" if violation.reason == "PreconditionFailed" else violation.reason[:7]]
        assert violation.message
    if expected:
        assert (said.outcome, said.told, desk.payer()) == ("Rejected", [], payer)
    elif payer == "a":
        assert (said.outcome, said.told, desk.payer()) == ("Unchanged", [], "a")
        assert said.result.binding_id is not None
    else:
        assert (said.outcome, said.told, desk.payer()) == ("Applied", ["BindingChanged"], "a")
        assert said.binding.change == ("Superseded" if payer else "Bound")


def test_the_table_is_whole() -> None:
    assert len(CASES) == 8 * 2 * 4 * 3 + 3 * 2 * 4 * 2 + 11 * 3 * 4


def test_a_message_quotes_no_more_than_a_hundred_characters() -> None:
    desk = ready_desk()
    long = "b" * 253
    desk.create(long, **READY)
    desk.bind("p1", long)
    (violation,) = desk.bind("p1", "a", expectedAccount="b").result.violations
    assert long[:101] not in violation.message
    assert long[:60] in violation.message
