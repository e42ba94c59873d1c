"""What ends a scheduled binding, and what waiting ones are told (docs/contract.md section 5)."""

from datetime import timedelta
from typing import Any

import pytest

from domain.messages import Due, DueKind
from schemas.results import CommandCompleted
from tests.unit.domain.building import MICROSECOND, NOON, Desk, Said, ready_desk
from tests.unit.schemas.building import command, structured

LATER = NOON + timedelta(hours=1)


def _answers(said: Said) -> list[tuple[str, str, list[str]]]:
    """Return of each result whose it is, what it says, and why."""
    return [
        (result.command_id, str(result.outcome), [str(violation.reason) for violation in result.violations])
        for result in said.all(CommandCompleted)
    ]


def _scheduled_desk() -> Desk:
    desk = ready_desk()
    envelope = {"id": "later"}
    said = desk.command("BindProject", envelope, project="p1", account="a", effectiveAt=LATER.isoformat())
    assert _answers(said) == [("later", "Scheduled", [])]
    assert [claim.is_new for claim in said.folded.claims.values()] == [True]
    return desk


def _due(desk: Desk, kind: DueKind, name: str = "p1") -> Said:
    return desk.hear(Due(kind, "acme", name))


@pytest.mark.parametrize(
    ("name", "members", "outcome"),
    (
        ("BindProject", {"project": "p1", "account": "b"}, "Applied"),
        ("BindProject", {"project": "p1", "account": "b", "effectiveAt": "2027-02-01T00:00:00Z"}, "Scheduled"),
        ("CancelScheduledBinding", {"project": "p1"}, "Applied"),
    ),
)
def test_something_later_ends_a_scheduled_binding(name: str, members: dict[str, Any], outcome: str) -> None:
    desk = _scheduled_desk()
    said = desk.command(name, {"id": "ends"}, **members)
    assert _answers(said) == [("ends", outcome, []), ("later", "Rejected", ["Superseded"])]
    final = next(claim for claim in said.folded.claims.values() if claim.command_id == "later")
    assert (final.is_new, said.outgoing[final.result_index].causation_id) == (False, "later")
    desk.now = LATER
    assert _due(desk, DueKind.SCHEDULED_BINDING).outgoing == []


@pytest.mark.parametrize("report", ({"state": "Deleted", "version": 2}, {"version": 1, "uid": "u-9"}))
@pytest.mark.parametrize("is_paid", (False, True))
def test_the_end_of_the_project_ends_its_scheduled_binding(report: dict[str, Any], is_paid: bool) -> None:
    desk = ready_desk()
    if is_paid:
        desk.bind("p1", "b")
    desk.command("BindProject", {"id": "later"}, project="p1", account="a", effectiveAt=LATER.isoformat())
    assert _answers(desk.project(**report)) == [("later", "Rejected", ["Superseded"])]
    desk.now = LATER
    assert _due(desk, DueKind.SCHEDULED_BINDING).outgoing == []


@pytest.mark.parametrize("state", ("Active", "Inactive"))
def test_another_report_of_the_project_ends_none(state: str) -> None:
    desk = _scheduled_desk()
    assert desk.project(state, 2).told == []
    assert desk.profile(version=2).outgoing == []
    desk.project("Active", 3)
    desk.now = LATER
    assert _answers(_due(desk, DueKind.SCHEDULED_BINDING)) == [("later", "Applied", [])]


def test_a_transfer_ends_a_scheduled_binding() -> None:
    desk = _scheduled_desk()
    # The payer of now; what is scheduled stays, since binding elsewhere first would have ended it.
    desk.command("BindProject", {"id": "now"}, project="p2", account="a")
    desk.command("BindProject", {"id": "p2"}, project="p2", account="a", effectiveAt=LATER.isoformat())
    said = desk.command("TransferProjects", {"id": "move"}, fromAccount="a", toAccount="b")
    assert _answers(said) == [("move", "Applied", []), ("p2", "Rejected", ["Superseded"])]


def test_a_refused_command_ends_none() -> None:
    desk = _scheduled_desk()
    assert _answers(desk.bind("p1", "ghost"))[0][1:] == ("Rejected", ["AccountNotFound"])
    desk.now = LATER
    said = _due(desk, DueKind.SCHEDULED_BINDING)
    assert _answers(said) == [("later", "Applied", [])]
    assert (said.binding.cause.command_id, said.outgoing[0].time) == ("later", LATER)
    assert _due(desk, DueKind.SCHEDULED_BINDING).outgoing == []


def test_nothing_is_done_before_it_is_due() -> None:
    desk = _scheduled_desk()
    desk.now = LATER - timedelta(seconds=1)
    assert _due(desk, DueKind.SCHEDULED_BINDING).outgoing == []
    assert _due(desk, DueKind.PAYMENT_PROFILE, "card-1").outgoing == []
    assert _due(desk, DueKind.FAN_OUT, "a").outgoing == []


def _overdue_desk() -> Desk:
    """Return a desk at which a binding is due by now, and the patience of another is over; nobody has acted yet."""
    desk = _scheduled_desk()
    desk.command("BindProject", {"id": "waits"}, project="p9", account="a", waitSeconds=60)
    desk.now = LATER
    return desk


def test_what_is_overdue_comes_before_what_is_said() -> None:
    said = _overdue_desk().command("BindProject", {"id": "said"}, project="p1", account="b")
    overdue = [("waits", "Rejected", ["ProjectNotFound"]), ("later", "Applied", [])]
    assert _answers(said) == [*overdue, ("said", "Applied", [])]


@pytest.mark.parametrize(("seconds", "reasons"), ((-1, ["AccountNotReady"]), (0, ["AccountNotReady"]), (1, [])))
def test_a_profile_that_expired_by_the_instant_of_a_binding_pays_for_none(seconds: int, reasons: list[str]) -> None:
    desk = _scheduled_desk()
    desk.profile(version=2, expiresAt=(LATER + timedelta(seconds=seconds)).isoformat())
    desk.now = LATER + timedelta(minutes=1)
    said = desk.command("CancelScheduledBinding", {"id": "said"}, project="p1")
    assert _answers(said) == [("later", "Rejected" if reasons else "Applied", reasons), ("said", "Unchanged", [])]
    assert desk.phase() == "Incomplete"


def test_nothing_overtakes_what_the_timers_bring() -> None:
    said = command(structured("BindProject", {"organization": "acme", "project": "p2", "account": "b"}, id="said"))
    heard = _overdue_desk().hear(Due(DueKind.SCHEDULED_BINDING, "acme", "p1"), said)
    assert [answer[0] for answer in _answers(heard)] == ["later", "said"]


def test_who_waits_is_served_in_order_by_the_last_that_was_missing() -> None:
    desk = ready_desk()
    for number, account in enumerate("aba"):
        said = desk.command("BindProject", {"id": f"c{number}"}, project="p9", account=account, waitSeconds=60)
        assert _answers(said) == [(f"c{number}", "Waiting", [])]
    dry = desk.bind("p9", "a", dryRun=True)
    assert dry.reasons == ["ProjectNotFound"]
    served = desk.project(project="p9")
    assert _answers(served) == [(f"c{number}", "Applied", []) for number in range(3)]
    assert served.notices == []


def test_patience_ends() -> None:
    desk = ready_desk()
    desk.now = LATER
    for identity, seconds in (("short", 5), ("long", 60)):
        desk.command("BindProject", {"id": identity}, project="p9", account="a", waitSeconds=seconds)
    desk.now += timedelta(seconds=5)
    assert _answers(_due(desk, DueKind.WAITING_BINDING, "p9")) == [("short", "Rejected", ["ProjectNotFound"])]
    desk.now += timedelta(seconds=54)
    assert _due(desk, DueKind.WAITING_BINDING, "p9").outgoing == []
    desk.now += timedelta(seconds=1.5)
    assert _answers(_due(desk, DueKind.WAITING_BINDING, "p9")) == [("long", "Rejected", ["ProjectNotFound"])]


@pytest.mark.parametrize(("ahead", "is_bound"), ((timedelta(0), True), (MICROSECOND, False)))
def test_who_waited_for_an_instant_that_has_come_is_bound_at_once(ahead: timedelta, is_bound: bool) -> None:
    desk = ready_desk()
    desk.command("BindProject", {"id": "first"}, project="p9", account="a", waitSeconds=60)
    desk.now = NOON + timedelta(seconds=30)
    instant = (desk.now + ahead).isoformat()
    desk.command("BindProject", {"id": "second"}, project="p9", account="b", effectiveAt=instant)
    desk.last = desk.now - MICROSECOND
    assert [answer[0] for answer in _answers(desk.project(project="p9"))] == ["first", "second"][: 1 + is_bound]
    assert desk.payer("p9") == ("b" if is_bound else "a")
    desk.now += timedelta(seconds=1)
    assert len(_answers(_due(desk, DueKind.SCHEDULED_BINDING, "p9"))) == (0 if is_bound else 1)
