"""What changes nothing is `Unchanged`: no event, no version (docs/contract.md sections 5 and 6).

Every optional member of every command stands here, so that one that is added is thought of.
"""

from typing import Any

import pytest
from pydantic.alias_generators import to_camel

from schemas.commands import COMMANDS, UpdateAccount
from schemas.contact import Contact
from schemas.preferences import Preferences
from schemas.scalars import Wire
from schemas.terms import PaymentTerms
from tests.unit.domain.building import NOON, READY, Desk

TERMS = {
    "netDays": 60,
    "invoiceFrequency": "Annual",
    "invoiceDayOfMonth": 28,
    "earlyPaymentDiscount": {"percent": "2.5", "withinDays": 10},
    "latePaymentPenalty": {"annualPercent": "8", "graceDays": 0},
}
PREFERENCES = {
    "taxRegistrations": [{"country": "DE", "number": "136695976"}],
    "invoiceLanguage": "de-CH",
    "invoiceFormat": "Pdf",
    "eInvoicing": {"standard": "XRechnung", "address": "04011000-12345-03"},
    "dataResidency": "Eu",
}
CONTACT = {
    "name": "Zoë",
    "emails": ["zoe@example.com"],
    "phone": "+41445550100",
    "address": {"line1": "1", "line2": "2", "postalCode": "8000", "city": "Zürich", "country": "CH"},
    "accountingContact": {"name": "Bea", "emails": ["bea@example.com"]},
    "language": "de-CH",
}
FULL = READY | {"displayName": "Zoë", "paymentTerms": TERMS, "preferences": PREFERENCES, "contact": CONTACT}
WRITTEN_OTHERWISE: dict[str, list[Any]] = {
    "displayName": ["Zoe\u0308"],
    "currencyCode": [],
    "paymentTerms": [
        TERMS | {"earlyPaymentDiscount": {"percent": "2.50", "withinDays": 10}},
        TERMS | {"latePaymentPenalty": {"annualPercent": "8.0", "graceDays": None}},
        {"latePaymentPenalty": {"annualPercent": "8"}},
    ],
    "preferences": [
        PREFERENCES | {"taxRegistrations": [{"country": "DE", "number": "DE 136 695 976"}]},
        PREFERENCES | {"invoiceLanguage": "DE-ch"},
    ],
    "contact": [CONTACT | {"language": "DE-ch"}, CONTACT | {"emails": ["zoe@EXAMPLE.com"]}],
    "expectedVersion": [],
}
NOTHING_SAID: dict[str, list[Any]] = {
    "displayName": [None],
    "currencyCode": [None],
    "paymentTerms": [None],
    "preferences": [None, {}, {"taxRegistrations": []}],
    "contact": [None],
    "expectedVersion": [None, 1],
}
PARTS: dict[str, type[Wire]] = {"paymentTerms": PaymentTerms, "preferences": Preferences, "contact": Contact}


def _on_a_full_account() -> list[dict[str, Any]]:
    """Return each member, and of those that merge each of theirs, as it is already."""
    whole = [{name: FULL[name]} for name in WRITTEN_OTHERWISE if name in FULL]
    parts: list[dict[str, Any]] = [{name: {}} for name in ("paymentTerms", "preferences")]
    parts += [{name: {part: FULL[name][part]}} for name in ("paymentTerms", "preferences") for part in FULL[name]]
    otherwise = [{name: value} for name, values in WRITTEN_OTHERWISE.items() for value in values]
    return [{"expectedVersion": 1}, *whole, *parts, *otherwise, {name: FULL[name] for name in PARTS}]


def _on_a_bare_account() -> list[dict[str, Any]]:
    """Return each member, cleared where there is nothing; of the preferences each of theirs, and all at once."""
    whole = [{name: value} for name, values in NOTHING_SAID.items() for value in values]
    parts = [to_camel(name) for name in Preferences.model_fields]
    return [{}, *whole, *({"preferences": {part: None}} for part in parts), {"preferences": dict.fromkeys(parts)}]


def test_every_member_of_an_update_is_here() -> None:
    optional = {to_camel(name) for name, field in UpdateAccount.model_fields.items() if not field.is_required()}
    assert WRITTEN_OTHERWISE.keys() == NOTHING_SAID.keys() == optional - {"dryRun"}
    for name, part in PARTS.items():
        assert FULL[name].keys() == {to_camel(member) for member in part.model_fields}


def _assert_unchanged(desk: Desk, name: str, members: dict[str, Any]) -> None:
    for dry in (True, False):
        said = desk.command(name, dryRun=dry, **members)
        assert (said.outcome, said.told, said.result.event_count) == ("Unchanged", [], 0), said.result.violations


@pytest.mark.parametrize("members", _on_a_full_account(), ids=str)
def test_what_is_so_already(members: dict[str, Any]) -> None:
    desk = Desk()
    desk.profile()
    assert desk.create(**FULL).outcome == "Applied"
    _assert_unchanged(desk, "UpdateAccount", {"account": "a", **members})


@pytest.mark.parametrize("members", _on_a_bare_account(), ids=str)
@pytest.mark.parametrize("created", ({}, {"preferences": {}, "contact": None}), ids=str)
def test_what_is_not_there_anyway(created: dict[str, Any], members: dict[str, Any]) -> None:
    desk = Desk()
    assert desk.create(**created).account.preferences is None
    _assert_unchanged(desk, "UpdateAccount", {"account": "a", **members})


@pytest.mark.parametrize("part", [to_camel(name) for name in PaymentTerms.model_fields])
def test_a_term_that_has_its_default_is_cleared_to_it(part: str) -> None:
    desk = Desk()
    desk.create(paymentTerms={})
    _assert_unchanged(desk, "UpdateAccount", {"account": "a", "paymentTerms": {part: None}})


def test_preferences_of_which_the_last_goes_are_none() -> None:
    desk = Desk()
    desk.create(preferences={"invoiceFormat": "Pdf"})
    said = desk.command("UpdateAccount", account="a", preferences={"invoiceFormat": None})
    assert (said.outcome, said.account.preferences) == ("Applied", None)
    _assert_unchanged(desk, "UpdateAccount", {"account": "a", "preferences": None})


BALANCE = {"outstanding": "0", "currencyCode": "USD", "asOf": NOON.isoformat()}
# Of every other command what was said before, and the same again: with each optional member that changes nothing.
AGAIN: dict[str, tuple[list[tuple[str, dict[str, Any]]], list[dict[str, Any]]]] = {
    "AttachPaymentProfile": ([], [{"account": "a", "paymentProfile": "card-1"}]),
    "DetachPaymentProfile": ([("DetachPaymentProfile", {"account": "a"})], [{"account": "a"}]),
    "SuspendAccount": (
        [("SuspendAccount", {"account": "a", "reason": "Administrative", "message": "first"})],
        [{"account": "a", "reason": "Administrative", "message": message} for message in (None, "first", "second")],
    ),
    "RequestReactivation": (
        [
            ("SuspendAccount", {"account": "a", "reason": "Administrative"}),
            ("RequestReactivation", {"account": "a", "resolution": "paid"}),
        ],
        [{"account": "a", "resolution": "other", "reasons": reasons} for reasons in (None, ["Administrative"])],
    ),
    "ReportBalance": (
        [("ReportBalance", {"account": "a", **BALANCE})],
        [
            {"account": "a", **BALANCE, **members}
            for members in ({}, {"outstanding": "0.00"}, {"outstanding": "7", "asOf": "2020-01-01T00:00:00Z"})
        ],
    ),
    "RequestClosure": (
        [
            ("ReportBalance", {"account": "b", **BALANCE}),
            ("RequestClosure", {"account": "b", "reason": "first"}),
        ],
        [{"account": "b", "reason": reason} for reason in (None, "first", "second")],
    ),
    "WithdrawClosure": ([], [{"account": "a"}]),
    "BindProject": (
        [],
        [
            {"project": "p1", "account": "a", **members}
            for members in (
                {}, {"expectedAccount": "a"}, {"effectiveAt": "2020-01-01T00:00:00Z"}, {"waitSeconds": 9},
                {"reason": "why"},
            )
        ],
    ),
    "CancelScheduledBinding": ([], [{"project": "p1"}]),
    "TransferProjects": ([], [{"fromAccount": "b", "toAccount": "a", "reason": reason} for reason in (None, "why")]),
    "SetDefaultAccount": ([("SetDefaultAccount", {"account": "a"})], [{"account": "a"}]),
    "SetDefaultAccount to none": ([], [{"account": None}]),
}  # fmt: skip
# A new account is a change whatever it says; an approval that has nothing to approve is refused.
ALWAYS_CHANGE = {"CreateAccount", "ApproveReactivation", "ApproveClosure"}


CASES = [(name.split()[0], before, one) for name, (before, again) in AGAIN.items() for one in again]


@pytest.mark.parametrize(("name", "before", "again"), CASES)
def test_what_was_done_already(name: str, before: list[tuple[str, dict[str, Any]]], again: dict[str, Any]) -> None:
    desk = Desk()
    desk.profile()
    desk.project()
    for account in ("a", "b"):
        desk.create(account, **READY)
    desk.bind("p1", "a")
    for earlier, members in before:
        assert desk.command(earlier, **members).outcome == "Applied"
    _assert_unchanged(desk, name, again)


def test_every_command_and_optional_member_is_here() -> None:
    assert {name.split()[0] for name in AGAIN} | {"UpdateAccount"} | ALWAYS_CHANGE == COMMANDS.keys()
    # A list that is given moves its projects, or is refused.
    moved = {("TransferProjects", "projects")}
    for name, (_, again) in AGAIN.items():
        command = COMMANDS[name.split()[0]]
        optional = {to_camel(member) for member, field in command.model_fields.items() if not field.is_required()}
        said = {member for members in again for member in members}
        assert optional - said <= {"dryRun"} | {member for of, member in moved if of == name}
