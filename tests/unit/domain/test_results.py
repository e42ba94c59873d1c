"""What a result says (docs/contract.md section 6)."""

from datetime import timedelta
from typing import Any

import pytest

from schemas.results import CommandCompleted
from tests.unit.domain.building import MICROSECOND, READY, Desk, bound_desk, ready_desk

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_result_says_whose_it_is_and_what_it_answers() -> None:
    desk = bound_desk()
    envelope = {"id": "ask", "source": "/portal", "authid": "erin", "correlationid": "order-12", "traceparent": TRACE}
    desk.now += timedelta(hours=1)
    said = desk.command("BindProject", envelope, project="p1", account="b")
    result, one = said.result, said.outgoing[-1]
    assert (result.organization, result.command_id, result.command_source) == ("acme", "ask", "/portal")
    assert result.command_type == "io.milo.billing.BindProject.v1"
    assert (result.outcome, result.account, result.project, result.dry_run) == ("Applied", "b", "p1", False)
    assert [(event.type, event.subject) for event in result.events] == [
        ("io.milo.billing.BindingChanged.v1", "acme/p1")
    ]
    assert (one.subject, one.key, one.boundary, one.time) == ("acme", b"acme", "acme", desk.now + MICROSECOND)
    assert (one.sequence, one.causation_id, one.sender) == (None, "ask", "erin")
    for outgoing in said.outgoing:
        assert outgoing.passed_on == {"correlationid": "order-12", "traceparent": TRACE}


def test_events_are_listed_in_the_order_of_their_going_out() -> None:
    desk = bound_desk()
    desk.bind("p2")
    said = desk.suspend()
    assert [(event.type, event.subject) for event in said.result.events] == [
        (one.type, one.subject) for one in said.outgoing[:-1]
    ]
    assert said.told == ["AccountPhaseChanged", "AccountChanged", "ProjectBillingNotice", "ProjectBillingNotice"]


@pytest.mark.parametrize("is_dry_run", (False, True))
@pytest.mark.parametrize("count", (97, 98, 99, 150))
def test_a_hundred_events_are_listed_and_all_are_counted(count: int, is_dry_run: bool) -> None:
    desk = ready_desk()
    for number in range(count):
        desk.project(project=f"app-{number:03}")
        desk.bind(f"app-{number:03}")
    said = desk.suspend(dryRun=is_dry_run)
    assert said.result.event_count == count + 2
    assert len(said.result.events) == min(100, count + 2)
    assert [event.subject for event in said.result.events[:4]] == ["acme/a", "acme/a", "acme/app-000", "acme/app-001"]
    assert len(said.outgoing) == (1 if is_dry_run else count + 3)
    assert len(said.notices) == (0 if is_dry_run else count)


@pytest.mark.parametrize("count", (99, 100, 101, 5_000))
def test_a_hundred_violations_are_listed_and_all_are_counted(count: int) -> None:
    members = {f"unknown-{number}": number for number in range(count)}
    said = ready_desk().create("A", **members)
    assert said.result.violation_count == count + 1
    assert len(said.result.violations) == min(100, count + 1)
    assert {violation.reason for violation in said.result.violations} == {"Invalid"}


def test_what_is_refused_or_unchanged_has_no_events() -> None:
    desk = bound_desk()
    for said in (desk.bind(), desk.bind("ghost"), desk.suspend("ghost"), desk.attach(), desk.create("a")):
        assert (said.result.events, said.result.event_count, len(said.outgoing)) == ((), 0, 1)


def test_what_is_broken_in_shape_comes_in_the_order_of_reasons() -> None:
    said = ready_desk().command("BindProject", project="4111111111111111", account="A", reason="4111111111111111", x=1)
    assert said.reasons == ["Invalid", "Invalid", "CardNumber"]
    # The state was not looked at.
    assert (said.result.account, said.result.project) == (None, None)


def test_counts_of_outcomes() -> None:
    desk = ready_desk()
    said = [desk.bind(), desk.bind(), desk.bind("ghost"), desk.bind(account="b", dryRun=True)]
    type_ = "io.milo.billing.BindProject.v1"
    outcomes = ("Applied", "Unchanged", "Rejected", "Applied")
    assert [one.folded.outcomes for one in said] == [{(type_, outcome): 1} for outcome in outcomes]
    rejected = {(type_, "ProjectNotFound"): 1}
    assert [one.folded.rejected for one in said] == [{}, {}, rejected, {}]


def test_a_claim_points_at_its_result() -> None:
    desk = Desk()
    desk.profile()
    said = desk.create(**READY)
    (claim,) = said.folded.claims.values()
    assert isinstance(said.outgoing[claim.result_index].event, CommandCompleted)
    assert (claim.organization, claim.source, claim.command_id) == ("acme", "/tests", "m-2")


@pytest.mark.parametrize(
    ("name", "members", "account", "project"),
    (
        ("BindProject", {"project": "p1", "account": "a", "colour": "red"}, "a", "p1"),
        ("BindProject", {"project": "P1", "account": "a"}, "a", None),
        ("BindProject", {"project": "p1", "account": 7}, None, "p1"),
        ("BindProject", {"project": "p1"}, None, "p1"),
        ("BindProject", {"project": "ghost", "account": "ghost"}, "ghost", "ghost"),
        ("TransferProjects", {"fromAccount": "a", "toAccount": "b"}, "b", None),
        ("TransferProjects", {"fromAccount": "a", "toAccount": "a"}, "a", None),
        ("TransferProjects", {"fromAccount": "a"}, None, None),
        ("SetDefaultAccount", {"account": None}, None, None),
        ("CancelScheduledBinding", {"project": "p1"}, None, "p1"),
        ("FrobnicateAccount", {"account": "a", "project": "p1\n"}, "a", None),
    ),
)
@pytest.mark.parametrize("envelope", ({}, {"authid": None}, {"expirytime": "2020-01-01T00:00:00Z"}, {"answer": "no"}))
def test_a_result_names_what_its_command_names_in_good_form(
    name: str, members: dict[str, Any], account: str | None, project: str | None, envelope: dict[str, Any]
) -> None:
    result = ready_desk().command(name, envelope, **members).result
    assert (result.account, result.project) == (account, project)
