"""All that is broken is named, and no rule hides another (docs/contract.md sections 5 and 6)."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from domain import bindings
from schemas.events import Phase
from schemas.results import REASON_ORDER, Reason
from tests.unit.domain.building import NOON, READY, Desk

SOURCES = {"a": [], "held": [], "gone": ["AccountArchived"], "ghost": ["AccountNotFound"]}
TARGETS = {"b": [], "held": ["AccountNotReady"], "gone": ["AccountArchived"], "ghost": ["AccountNotFound"]}
# What is listed; the account `a` pays for p1 to p3 and `held` for p4, and three projects are the most that may move.
LISTS = {
    "own": ["p1", "p2"],
    "one of another": ["p1", "p9"],
    "too many": ["p1", "p2", "p3", "p9"],
    "too many, all of others": ["x1", "x2", "x3", "x4"],
    "unlisted": None,
}


@pytest.fixture(autouse=True)
def few() -> Iterator[None]:
    """Three projects are the most that may move."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bindings, "MOST_PROJECTS", 3)
        yield


def _desk(owned: int) -> Desk:
    desk = Desk()
    desk.profile()
    for account in ("a", "b", "held", "gone"):
        desk.create(account, **READY)
    for number in range(1, owned + 1):
        desk.project(project=f"p{number}")
        desk.bind(f"p{number}", "a")
    desk.suspend("held")
    gone = desk.book.account("acme", "gone")
    assert gone is not None
    desk.book.load([replace(gone, phase=Phase.ARCHIVED)])
    return desk


CASES = [case for case in itertools.product(SOURCES, TARGETS, LISTS, (3, 4)) if case[0] != case[1]]


@pytest.mark.parametrize(("source", "target", "listed", "owned"), CASES)
def test_what_a_transfer_breaks(source: str, target: str, listed: str, owned: int) -> None:
    names = LISTS[listed]
    own = {f"p{number}" for number in range(1, owned + 1)} if source == "a" else set()
    is_asked = not SOURCES[source]
    expected = [*SOURCES[source], *TARGETS[target]]
    if len(names if names is not None else own) > 3:
        expected.append("TooManyProjects")
    if names is not None and is_asked and set(names) - own:
        expected.append("PreconditionFailed")
    members: dict[str, Any] = {} if names is None else {"projects": names}
    said = _desk(owned).command("TransferProjects", fromAccount=source, toAccount=target, **members)
    assert said.reasons == sorted(expected, key=lambda reason: REASON_ORDER[Reason(reason)])
    too_many = [one.field for one in said.result.violations if one.reason is Reason.TOO_MANY_PROJECTS]
    assert too_many == ["/fromAccount" if names is None else "/projects"] * expected.count("TooManyProjects")
    foreign = [one.blockers for one in said.result.violations if one.reason is Reason.PRECONDITION_FAILED]
    assert foreign == [
        {"count": len(others), "projects": others}
        for others in [[name for name in names or () if name not in own]]
        if "PreconditionFailed" in expected
    ]


OWED: dict[str, Any] = {"currencyCode": "USD", "outstanding": "0", "asOf": NOON.isoformat()}
# Of each command that has several rules: what it says of `a`, which pays for p1, and all that this breaks.
BROKEN: list[tuple[str, dict[str, Any], list[str]]] = [
    ("CreateAccount", {"paymentProfile": "debit-1"}, ["AccountExists", "UnsupportedPaymentProfile"]),
    ("UpdateAccount", {"expectedVersion": 9, "currencyCode": "CHF"}, ["PreconditionFailed", "CurrencyImmutable"]),
    ("UpdateAccount", {"paymentTerms": None, "preferences": {"eInvoicing": {"standard": "Cfdi"}}}, ["Invalid"] * 2),
    ("AttachPaymentProfile", {"account": "ghost", "paymentProfile": "debit-1"},
     ["AccountNotFound", "UnsupportedPaymentProfile"]),
    ("AttachPaymentProfile", {"account": "gone", "paymentProfile": "debit-1"}, ["AccountArchived"]),
    ("RequestClosure", {}, ["ActiveBindingsExist", "ChargesOutstanding"]),
    ("BindProject", {"project": "ghost", "account": "held", "expectedAccount": "b"},
     ["ProjectNotFound", "AccountNotReady"]),
    ("BindProject", {"project": "off", "account": "closing", "expectedAccount": "b"},
     ["ProjectNotActive", "AccountNotReady", "AccountClosing", "PreconditionFailed"]),
    ("ApproveClosure", {"account": "closing"}, ["SelfApproval", "ChargesOutstanding"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "members", "reasons"), BROKEN, ids=str)
def test_what_other_commands_break(name: str, members: dict[str, Any], reasons: list[str]) -> None:
    desk = _desk(1)
    desk.profile(payment_profile="debit-1", kind="DirectDebit")
    desk.project("Inactive", project="off")
    desk.create("closing", **READY)
    desk.command("ReportBalance", account="closing", **OWED)
    desk.command("RequestClosure", account="closing")
    desk.command("ReportBalance", account="closing", **OWED | {"outstanding": "1"})
    desk.suspend("closing")
    assert desk.command(name, **{"account": "a"} | members).reasons == reasons
