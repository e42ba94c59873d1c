"""What two people must do (docs/contract.md sections 2 and 5): one person is one, however the name is spelt."""

from typing import Any

import pytest

from tests.unit.domain.building import Desk, ready_desk

SPELLINGS = {
    "as it was": ("ann@example.com", "ann@example.com"),
    "in capitals": ("ann@example.com", "Ann@Example.COM"),
    "in small letters": ("ANN@EXAMPLE.COM", "ann@example.com"),
    "in full width": ("ann@b.io", "\uff41nn\uff20b\uff0eio"),
    "in mathematical letters": ("ann", "\U0001d400nn"),
    "decomposed": ("\u00e9va", "e\u0301va"),
    "with a ligature": ("ﬂora", "FLORA"),
    "with a sharp s": ("Weiß", "WEISS"),
    "with another sigma": ("σίσυφος", "ΣΊΣΥΦΟΣ"),
    "with another blank": ("ann lee", "Ann\u2009Lee"),
}
OTHERS = {
    "somebody else": ("ann", "bob"),
    "who is called alike": ("ann", "anna"),
    "who looks alike": ("ann", "\u0430nn"),
}


def closing_desk(by: str) -> Desk:
    desk = ready_desk()
    desk.create("c")
    assert desk.command("RequestClosure", {"authid": by}, account="c").outcome == "Applied"
    return desk


def held_desk(**requested_by: str) -> Desk:
    """Return a desk at which account a is held for each reason, and who requested which reactivation."""
    desk = ready_desk()
    for reason in ("PaymentFailure", "ComplianceViolation", "Administrative"):
        desk.suspend("a", reason)
        if reason in requested_by:
            asked = {"account": "a", "resolution": "paid", "reasons": [reason]}
            assert desk.command("RequestReactivation", {"authid": requested_by[reason]}, **asked).outcome == "Applied"
    return desk


def holds(desk: Desk) -> list[str]:
    account = desk.book.account("acme", "a")
    assert account is not None
    return [hold.reason for hold in account.holds]


@pytest.mark.parametrize(("first", "second"), SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("reasons", ({}, {"reasons": ["PaymentFailure"]}))
def test_nobody_approves_alone_in_another_spelling(first: str, second: str, reasons: dict[str, Any]) -> None:
    desk = held_desk(PaymentFailure=first)
    assert desk.command("ApproveReactivation", {"authid": second}, account="a", **reasons).reasons == ["SelfApproval"]
    desk = closing_desk(first)
    assert desk.command("ApproveClosure", {"authid": second}, account="c").reasons == ["SelfApproval"]


@pytest.mark.parametrize(("first", "second"), OTHERS.values(), ids=OTHERS)
def test_somebody_else_approves(first: str, second: str) -> None:
    desk = held_desk(PaymentFailure=first)
    assert desk.command("ApproveReactivation", {"authid": second}, account="a").outcome == "Applied"
    desk = closing_desk(first)
    assert desk.command("ApproveClosure", {"authid": second}, account="c").outcome == "Applied"


def test_who_asked_is_kept_as_first_written() -> None:
    desk = closing_desk("Ann")
    assert desk.command("RequestClosure", {"authid": "ANN"}, account="c").outcome == "Unchanged"
    account = desk.book.account("acme", "c")
    assert account is not None
    assert account.closure is not None
    assert account.closure.by == "Ann"


@pytest.mark.parametrize(
    ("requested_by", "answer", "left"),
    (
        ({}, ["CauseUnresolved"], 3),
        ({"PaymentFailure": "Bob"}, ["SelfApproval"], 3),
        ({"PaymentFailure": "ann"}, [], 2),
        ({"PaymentFailure": "bob", "ComplianceViolation": "ann"}, [], 2),
        ({"PaymentFailure": "ann", "ComplianceViolation": "BOB", "Administrative": "carol"}, [], 1),
        ({"PaymentFailure": "ann", "ComplianceViolation": "ann", "Administrative": "ann"}, [], 0),
        ({"PaymentFailure": "bob", "ComplianceViolation": "BOB"}, ["SelfApproval"] * 2, 3),
    ),
)
def test_without_reasons_all_that_somebody_else_requested_is_lifted(
    requested_by: dict[str, str], answer: list[str], left: int
) -> None:
    desk = held_desk(**requested_by)
    before = holds(desk)
    said = desk.command("ApproveReactivation", {"authid": "bob"}, account="a")
    assert said.reasons == answer
    own_or_not_requested = [reason for reason in before if requested_by.get(reason, "bob").casefold() == "bob"]
    assert holds(desk) == (before if answer else own_or_not_requested)
    assert len(holds(desk)) == left
    assert (said.outcome == "Applied") is not bool(answer)


def test_what_is_named_is_lifted_whole_or_not_at_all() -> None:
    desk = held_desk(PaymentFailure="bob", ComplianceViolation="ann")
    for reasons, answer in (
        (["PaymentFailure", "ComplianceViolation"], ["SelfApproval"]),
        (["Administrative", "PaymentFailure"], ["CauseUnresolved", "SelfApproval"]),
        (["ComplianceViolation"], []),
    ):
        said = desk.command("ApproveReactivation", {"authid": "bob"}, account="a", reasons=reasons)
        assert said.reasons == answer
    assert holds(desk) == ["PaymentFailure", "Administrative"]
