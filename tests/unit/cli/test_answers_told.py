"""What is said of an answer, an account and a payer, line for line, where the pictures do not show it."""

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from rich.console import RenderableType

from cli.asking.accounts import account_view
from cli.asking.audited import audit_listing
from cli.asking.listed_accounts import accounts_listing
from cli.asking.pages import Kind, show_page
from cli.asking.project import project_card
from cli.asking.who import document_of, insist, lines_of
from cli.sending.answers import answer_card, result_card, standing_of
from cli.terminal.ending import CommandFailed
from cli.terminal.paging import Wanted
from cli.terminal.screen import UNLIMITED
from db.questions.who import PayerAnswer, Scheduled
from schemas.topics import Topic
from tests.unit.cli.drawing import ACCOUNT, EVENT, NOON, RESULT, drawn
from workers.exchange import Answer, Message


def _said(*parts: RenderableType) -> str:
    return drawn(parts, UNLIMITED)


def _fact() -> Message:
    data = {"organization": "acme", "project": "genome"}
    return Message({"id": "f1", "type": "io.milo.billing.ProjectChanged.v1", "data": data}, Topic.PROJECTS)


def _result(**data: Any) -> dict[str, Any]:
    plain = {"violations": [], "violationCount": 0, "events": [], "eventCount": 0, "outcome": "Applied"}
    return {"data": RESULT["data"] | plain | data}


_FOOT = "6f2b7a52-0ad0-4e07-a2d1-9be8d47a4f3f from /cli, fingerprint 0123456789abcdef\n"
_REASONED = {"reason": "AccountNotReady", "retryable": False, "message": "it is Suspended"}


@pytest.mark.parametrize(
    ("data", "is_repeat", "line"),
    (
        ({"account": "lab"}, False, "✔ Applied  account lab, project genome"),
        ({"account": None, "project": None}, False, "✔ Applied"),
        (
            {"account": "lab", "outcome": "Unchanged"},
            True,
            "= Unchanged  account lab, project genome  (answered before",
        ),
        ({"account": "lab", "dryRun": True}, False, "✔ Applied  account lab, project genome  (dry run: nothing"),
        ({"account": "lab", "outcome": "Waiting"}, False, "… Waiting  account lab, project genome  (a final result f"),
        ({"account": "lab", "outcome": "Scheduled", "dryRun": True}, False, "… Scheduled  account lab, project genome"),
    ),
)
def test_the_outcome_of_a_command(data: dict[str, Any], is_repeat: bool, line: str) -> None:
    title, first, *rest = _said(result_card(_result(**data), is_repeat=is_repeat)).splitlines()
    assert title == "BindProject acme"
    assert first.startswith(line)
    assert "None" not in first
    assert ("a final result follows" in first) == (data.get("outcome") == "Waiting")
    assert ("answered before" in first) == is_repeat
    assert rest == [_FOOT.strip()]


def test_what_is_wrong_and_how_the_account_stands() -> None:
    refused = _result(outcome="Rejected", account="lab", violations=[_REASONED], violationCount=1)
    del refused["data"]["fingerprint"]
    standing = {"account": "lab", "phase": "Archived", "missing": [_REASONED]}
    assert _said(answer_card(_fact(), Answer("t/0/1", True, refused, is_repeat=True), standing)) == (
        "BindProject acme\n"
        "✘ Rejected  account lab, project genome  (answered before, under the same id: nothing changed)\n\n"
        "✘  AccountNotReady    it is Suspended\n\n"
        "lab is Archived\n"
        "6f2b7a52-0ad0-4e07-a2d1-9be8d47a4f3f from /cli\n"
    )
    standing |= {"phase": "Suspended"}
    assert "lab is Suspended. What is missing to be Ready: it is Suspended (AccountNotReady)\n" in _said(
        result_card(refused, standing)
    )
    assert "lab is Ready\n" in _said(result_card(refused, {"account": "lab", "phase": "Ready", "missing": []}))
    assert standing_of(ACCOUNT) == {
        "account": ACCOUNT["account"],
        "phase": "Suspended",
        "missing": ACCOUNT["conditions"][1:3],
    }


def test_what_may_succeed_later_is_marked() -> None:
    later = _REASONED | {"retryable": True}
    for violations, is_marked in (([_REASONED, later], True), ([_REASONED], False), ([later], True)):
        said = _said(result_card(_result(outcome="Rejected", violations=violations, violationCount=len(violations))))
        assert ("the same may succeed later, under a new id" in said) is is_marked
        assert said.count("✘  AccountNotReady") == violations.count(_REASONED)
        assert said.count("↻  AccountNotReady") == violations.count(later)


def test_what_came_of_a_fact_and_of_a_dead_letter() -> None:
    assert _said(answer_card(_fact(), Answer("t/0/1", True), None)) == (
        "ProjectChanged acme\n✔ noted\nNothing visible changes: nothing depends on it yet, or it was known already.\n"
    )
    event = EVENT | {"data": {"change": "Bound", "previous": None, "current": {"account": "lab"}}}
    assert _said(answer_card(_fact(), Answer("t/0/1", True, events=[event]), None)) == (
        "ProjectChanged acme\n12:00:00.000   #7 BindingChanged       acme/genome  Bound: nobody → lab\n"
    )
    narrow = drawn((answer_card(_fact(), Answer("t/0/1", True, events=[event]), None),), 40)
    assert max(map(len, narrow.splitlines())) <= 40
    assert "Bound:nobody→lab" in re.sub(r"[\s│╭╮╰╯─]", "", narrow)
    letter = {"subject": "t/0/1", "data": {"reason": "InvalidFact", "detail": "/state: is required"}}
    assert _said(answer_card(_fact(), Answer("t/0/1", True, dead_letter=letter), None)) == (
        "ProjectChanged\n✘ dead letter: InvalidFact\n/state: is required\nt/0/1\n"
    )


@pytest.mark.parametrize(
    ("members", "line"),
    (
        ({"displayName": None}, "name             none"),
        ({}, "terms            1 day net, invoiced monthly"),
        ({"paymentTerms": None}, "terms            none"),
        ({"paymentProfile": None}, "payment profile  none"),
        ({"profile": None}, "payment profile  card-of-research, of which nothing is known yet"),
        ({}, "payment profile  card-of-research (CreditCard, Valid until 2028-01-01T00:00:00.000000Z)"),
        (
            {"profile": ACCOUNT["profile"] | {"expiresAt": None}},
            "payment profile  card-of-research (CreditCard, Valid)",
        ),
        ({"closure": None}, "closure          not requested; blocked by ProjectsBound"),
        ({"closure": None, "closureBlockers": []}, "closure          none"),
        (
            {"closureBlockers": []},
            "closure          requested by ada at 2027-01-31T12:00:00.000000Z: merged with another one",
        ),
        (
            {"closureBlockers": [], "closure": ACCOUNT["closure"] | {"reason": None}},
            "closure          requested by ada at 2027-01-31T12:00:00.000000Z",
        ),
        ({"balance": None}, "balance          none"),
        ({"contact": None}, "contact          none, or erased"),
        ({"contact": {"name": "Ada", "phone": None, "emails": ["a@b.example"]}}, "emails[0]  a@b.example"),
    ),
)
def test_an_account(members: dict[str, Any], line: str) -> None:
    said = _said(*account_view(ACCOUNT | members)).splitlines()
    assert line in said
    assert ("Contact (personal data)" in said) == bool(members.get("contact"))
    assert not any("phone" in one for one in said)


def test_holds_of_an_account() -> None:
    hold = ACCOUNT["holds"][0] | {"message": None, "reactivation": None}
    said = _said(*account_view(ACCOUNT | {"holds": [hold]}))
    assert "2027-01-31T12:00:00.000000Z  ComplianceViolation  compliance-officer@example.com           not req" in said
    assert "\nHolds\n" in said
    assert "\nHolds\n" not in _said(*account_view(ACCOUNT | {"holds": []}))


def test_accounts_lack_nothing_once_they_are_archived() -> None:
    ready = [one | {"type": "Ready"} for one in ACCOUNT["conditions"][1:2]]
    for changed, missing in (
        ({}, "PaymentProfileNotAllowed, ComplianceViolation"),
        ({"phase": "Archived"}, ""),
        ({"conditions": ready}, ""),
        ({"conditions": ACCOUNT["conditions"][1:2] * 2}, "PaymentProfileNotAllowed"),
    ):
        said = _said(accounts_listing([ACCOUNT | {"account": "lab"} | changed])).splitlines()[1]
        assert said.partition("Research and development")[2].strip() == missing


_ASKED: dict[str, Any] = {
    "time": "2027-01-31T12:00:00.000000Z", "person": "ada", "commandType": "io.milo.billing.BindProject.v1",
    "dryRun": False, "outcome": "Rejected", "reasons": ["Forbidden", "Forbidden", "Other"], "project": "web",
    "account": "lab", "roles": ["viewer", "operator"], "issuer": "idp", "commandId": "c1",
}  # fmt: skip


def test_who_asked_for_what() -> None:
    nobody = _ASKED | {
        "person": None, "dryRun": True, "reasons": [], "project": None, "roles": [], "issuer": None,
    }  # fmt: skip
    _, first, second = (line.split("  ") for line in _said(audit_listing([_ASKED, nobody])).splitlines())
    assert [cell.strip() for cell in first if cell] == [
        "2027-01-31T12:00:00.000000Z", "ada", "BindProject", "Rejected Forbidden, Other", "web lab",
        "viewer, operator", "idp", "c1",
    ]  # fmt: skip
    assert [cell.strip() for cell in second if cell.strip()] == [
        "2027-01-31T12:00:00.000000Z", "nobody", "BindProject (dry run)", "Rejected", "lab", "c1",
    ]  # fmt: skip


def test_a_project_without_a_payer() -> None:
    project = {
        "organization": "acme", "project": "web", "state": "Active", "version": 3, "uid": "u1", "payer": None,
        "scheduled": None, "waiting": [],
    }  # fmt: skip
    assert _said(project_card(project)) == ("acme/web\nstate    Active, version 3\nuid      u1\npaid by  nobody\n")


_PAYER = {"account": "lab", "establishedAt": "2027-01-31T11:00:00.000000Z"}
_LATER = NOON + timedelta(hours=1)
_PAID = PayerAnswer(_PAYER, NOON, True, True, True, NOON, None)
_SOON = Scheduled("hq", _LATER, "c1", "/portal")
_AT = "2027-01-31T12:00:00.000000Z"
_THEN = "2027-01-31T13:00:00.000000Z"
_NOT_KNOWN = f"This holds as of now, {_AT}. Who pays at {_THEN} is not known yet."


@pytest.mark.parametrize(
    ("answer", "instant", "lines"),
    (
        (_PAID, None, ["lab"]),
        (_PAID, NOON, ["lab"]),
        (replace(_PAID, payer=None), None, ["nobody pays for acme/web now"]),
        (replace(_PAID, payer=None), NOON, [f"nobody pays for acme/web at {_AT}"]),
        (_PAID, _LATER, ["lab", _NOT_KNOWN, "Nothing is scheduled."]),
        (
            replace(_PAID, payer=None, scheduled=_SOON),
            _LATER,
            ["nobody pays for acme/web now", _NOT_KNOWN, f"Scheduled: hq from {_THEN} (command c1 from /portal)."],
        ),
    ),
)
def test_who_pays(answer: PayerAnswer, instant: datetime | None, lines: list[str]) -> None:
    assert lines_of("acme", "web", instant, answer) == lines
    insist(answer, "acme", "web")


def test_who_pays_for_programs() -> None:
    known = {
        "organization": "acme", "project": "web", "at": _AT, "payer": _PAYER, "settled": True, "asOf": _AT,
        "known": True, "account": "lab", "scheduled": None,
    }  # fmt: skip
    assert document_of("acme", "web", _PAID) == known
    soon = {"account": "hq", "effectiveAt": _THEN, "commandId": "c1", "commandSource": "/portal"}
    assert document_of("acme", "web", replace(_PAID, scheduled=_SOON)) == known | {"scheduled": soon}


@pytest.mark.parametrize(("is_known", "words"), ((True, "has no project web: none of"), (False, "acme is not known: ")))
def test_what_was_never_reported(is_known: bool, words: str) -> None:
    with pytest.raises(CommandFailed, match=words):
        insist(replace(_PAID, is_known=False, is_organization_known=is_known), "acme", "web")


_KIND = Kind(lambda items: f"drawn {len(items)}", "There is none.", (str,))


@pytest.mark.parametrize(
    ("page", "wanted", "out", "err"),
    (
        (([], None), Wanted(2, None, False, False), "There is none.\n", ""),
        (([{}], ("b",)), Wanted(2, None, False, False), "drawn 1\n", "There are more: --after b, or --all\n"),
        (([{}], ("b",)), Wanted(2, None, True, False), "drawn 1\n", ""),
        (([{}], None), Wanted(2, None, False, False), "drawn 1\n", ""),
        (([{}, {}], ("b",)), Wanted(2, None, True, True), "{}\n{}\n", ""),
    ),
)
def test_a_page(page: Any, wanted: Wanted, out: str, err: str, capsys: pytest.CaptureFixture[str]) -> None:
    show_page(page, wanted, _KIND, {"settled": True})
    assert (*capsys.readouterr(),) == (out, err)


def test_a_page_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    show_page(([{}], ("b",)), Wanted(2, None, False, True), _KIND, {"settled": True})
    assert json.loads(capsys.readouterr().out) == {"items": [{}], "next": "b", "settled": True}
