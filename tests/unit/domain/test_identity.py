"""Who asks, under which id, and how often (docs/contract.md section 6)."""

import itertools
from datetime import timedelta
from typing import Any

import pytest

from schemas.results import CommandCompleted
from tests.unit.domain.building import Desk, Said, bound_desk, ready_desk
from tests.unit.schemas.building import binary, command, record, structured

BIND: dict[str, Any] = {"project": "p1", "account": "a"}

SENDERS = {
    "somebody": ("alice", []),
    "nobody": (None, ["Unauthenticated"]),
    "the system": ("system:x", ["Unauthenticated"]),
    "the system in capitals": ("SYSTEM:X", ["Unauthenticated"]),
    "a blank too many": ("alice ", ["Unauthenticated"]),
    "unseen": ("al\u200dice", ["Unauthenticated"]),
}
IDS = {"fresh": [], "reused": ["CommandIdReused"]}
EXPIRIES = {"none": (None, []), "later": (1, []), "now": (0, []), "past": (-1, ["Expired"])}
TYPES = {"known": ("BindProject", []), "unknown": ("FrobnicateAccount", ["UnknownCommand"])}
SHAPES = {"in order": {}, "broken": {"colour": "red"}}


@pytest.mark.parametrize("expiry", EXPIRIES)
@pytest.mark.parametrize("sender", SENDERS)
def test_the_first_stage_that_refuses_decides(sender: str, expiry: str) -> None:
    for identity, type_, shape, is_dry_run in itertools.product(IDS, TYPES, SHAPES, (False, True)):
        _is_decided_by_the_first(sender, identity, expiry, type_, shape, is_dry_run=is_dry_run)


def _is_decided_by_the_first(
    sender: str, identity: str, expiry: str, type_: str, shape: str, *, is_dry_run: bool
) -> None:
    desk = ready_desk()
    desk.command("SuspendAccount", {"id": "taken"}, account="b", reason="Administrative")
    desk.now += timedelta(hours=1)
    before = _without_answers(desk)
    (authid, no_sender), (name, unknown), (seconds, expired) = SENDERS[sender], TYPES[type_], EXPIRIES[expiry]
    expires = None if seconds is None else (desk.now + timedelta(seconds=seconds)).isoformat()
    envelope = {"id": "taken" if identity == "reused" else "fresh", "authid": authid, "expirytime": expires}
    said = desk.command(name, envelope, **BIND, **SHAPES[shape], **{"dryRun": True} if is_dry_run else {})

    reused = [] if is_dry_run else IDS[identity]
    expected = no_sender or [*reused, *expired, *unknown] or (["Invalid"] if shape == "broken" else [])
    assert said.reasons == expected
    assert all(not violation.retryable for violation in said.result.violations)
    assert said.result.command_id == envelope["id"]
    assert said.outgoing[-1].sender == (None if no_sender else authid)

    claims = not is_dry_run and identity == "fresh" and not no_sender
    assert [claim.command_id for claim in said.folded.claims.values()] == (["fresh"] if claims else [])
    assert len(said.folded.unclaimed) == (0 if claims else 1)
    if said.reasons or is_dry_run:
        assert _without_answers(desk) == before
    assert (desk.payer() == "a") is (not said.reasons and not is_dry_run)


def _without_answers(desk: Desk) -> dict[str, Any]:
    return {name: known for name, known in desk.memory().items() if name != "answered"}


def _is_repeat(said: Said) -> bool:
    return (
        said.outgoing == []
        and said.folded.repeated_commands == 1
        and not said.folded.claims
        and not said.folded.unclaimed
    )


@pytest.mark.parametrize(
    "again",
    (
        {},
        {"time": "2001-01-01T00:00:00Z"},
        {"time": "never"},
        {"authid": "bob"},
        {"answer": "once more"},
        {"expirytime": "2000-01-01T00:00:00Z"},
        {"correlationid": "other"},
    ),
)
@pytest.mark.parametrize("mode", (structured, binary))
def test_the_same_again_is_not_answered_again(mode: Any, again: dict[str, Any]) -> None:
    desk = ready_desk()
    data = BIND | {"organization": "acme"}
    assert desk.hear(command(mode("BindProject", data))).outcome == "Applied"
    before = desk.memory()
    assert _is_repeat(desk.hear(command(mode("BindProject", data | {"dryRun": False}, **again))))
    assert desk.memory() == before


def test_an_old_command_comes_back_after_a_newer_one() -> None:
    desk = ready_desk()
    for identity, account in (("c1", "b"), ("c2", "a")):
        assert desk.command("BindProject", {"id": identity}, project="p1", account=account).outcome == "Applied"
    assert _is_repeat(desk.command("BindProject", {"id": "c1"}, project="p1", account="b"))
    assert desk.payer() == "a"


@pytest.mark.parametrize(
    ("first", "refused"),
    (
        ({"project": "ghost", "account": "a"}, ["ProjectNotFound"]),
        ({"project": "p1", "account": "a", "colour": "red"}, ["Invalid"]),
        ({"project": "p1", "account": "a", "reason": "4111111111111111"}, ["CardNumber"]),
    ),
)
def test_a_refusal_is_final_for_its_id(first: dict[str, Any], refused: list[str]) -> None:
    desk = ready_desk()
    assert desk.command("BindProject", {"id": "c1"}, **first).reasons == refused
    desk.project(project="ghost")
    assert _is_repeat(desk.command("BindProject", {"id": "c1"}, **first))
    assert desk.command("BindProject", {"id": "c1"}, **BIND).reasons == ["CommandIdReused"]
    # And the reuse did not take the id over.
    assert _is_repeat(desk.command("BindProject", {"id": "c1"}, **first))
    assert desk.command("BindProject", {"id": "c1"}, **BIND).reasons == ["CommandIdReused"]
    assert desk.command("BindProject", {"id": "c2"}, **BIND).outcome == "Applied"


def test_a_malformed_expiry_is_final_for_its_id_too() -> None:
    desk = ready_desk()
    assert desk.command("BindProject", {"id": "c1", "expirytime": "never"}, **BIND).reasons == ["Invalid"]
    assert _is_repeat(desk.command("BindProject", {"id": "c1"}, **BIND))


def test_whoever_is_nobody_claims_no_id() -> None:
    desk = ready_desk()
    assert desk.command("BindProject", {"id": "c1", "authid": None}, **BIND).reasons == ["Unauthenticated"]
    assert desk.command("BindProject", {"id": "c1"}, project="p1", account="b").outcome == "Applied"


@pytest.mark.parametrize("authid", (None, "", "system:x", "System:x", " alice", "alice\u2060", "a" * 257))
@pytest.mark.parametrize("account", ("a", "b"))
@pytest.mark.parametrize("answer", (None, "again"))
def test_whoever_is_not_let_in_learns_nothing_of_an_id(authid: str | None, account: str, answer: str | None) -> None:
    """Neither that it was used, nor for what, nor what became of it."""
    desk = ready_desk()
    assert desk.command("BindProject", {"id": "c1"}, **BIND).outcome == "Applied"
    before = desk.memory()
    said = desk.command("BindProject", {"id": "c1", "authid": authid, "answer": answer}, project="p1", account=account)
    assert (said.reasons, said.result.binding_id, said.result.event_count) == (["Unauthenticated"], None, 0)
    assert (len(said.folded.unclaimed), said.folded.claims, desk.memory()) == (1, {}, before)


def test_an_id_belongs_to_an_organization_and_a_source() -> None:
    desk = ready_desk()
    assert desk.command("BindProject", {"id": "c1"}, **BIND).outcome == "Applied"
    assert (
        desk.command("BindProject", {"id": "c1", "source": "/portal"}, project="p1", account="b").outcome == "Applied"
    )
    assert desk.command("BindProject", {"id": "c1"}, **BIND, organization="beta").reasons == [
        "AccountNotFound",
        "ProjectNotFound",
    ]
    assert desk.command("BindProject", {"id": "C1"}, **BIND).outcome == "Applied"


def test_ids_within_one_batch() -> None:
    desk = ready_desk()
    first = command(structured("BindProject", BIND | {"organization": "acme"}))
    other = command(structured("BindProject", BIND | {"organization": "acme", "account": "b"}))
    said = desk.hear(first, first, other, first)
    assert [event.outcome for event in said.all(CommandCompleted)] == ["Applied", "Rejected"]
    assert (said.folded.repeated_commands, len(said.folded.claims), len(said.folded.unclaimed)) == (2, 1, 1)


def test_a_dry_run_neither_claims_nor_looks_up() -> None:
    desk = bound_desk()
    for account, is_dry_run, outcome in (
        ("b", True, "Applied"),
        ("a", True, "Unchanged"),
        ("b", False, "Applied"),
        ("a", True, "Applied"),
    ):
        said = desk.command("BindProject", {"id": "c1"}, project="p1", account=account, dryRun=is_dry_run)
        assert (said.outcome, said.result.dry_run) == (outcome, is_dry_run)
    assert _is_repeat(desk.command("BindProject", {"id": "c1"}, project="p1", account="b"))


def test_a_fact_is_told_by_its_version_and_not_by_its_id() -> None:
    desk = Desk()
    desk.project()
    assert desk.project().is_stale


def test_headers_without_sense_ask_for_nobody() -> None:
    desk = ready_desk()
    of = binary("BindProject", BIND | {"organization": "acme"}, authid=None)
    said = desk.hear(command(record(of.value, (*of.headers, ("ce_authid", b"\xff")))))
    assert said.reasons == ["Unauthenticated"]
