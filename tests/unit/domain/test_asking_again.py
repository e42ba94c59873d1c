"""Whoever missed a result asks for it again (docs/contract.md sections 2 and 6)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from domain.messages import Due, DueKind
from schemas.results import CommandCompleted
from tests.unit.domain.building import Desk, Said, bound_desk, ready_desk
from tests.unit.schemas.building import binary, command, structured

AGAIN = {"answer": "again"}
BIND: dict[str, Any] = {"project": "p1", "account": "a"}

FIRST: dict[str, tuple[str, dict[str, Any]]] = {
    "applied": ("BindProject", BIND),
    "unchanged": ("DetachPaymentProfile", {"account": "c"}),
    "refused by the state": ("BindProject", {"project": "ghost", "account": "nobody"}),
    "refused with blockers": ("RequestClosure", {"account": "a"}),
    "malformed": ("BindProject", BIND | {"colour": "red"}),
    "with a card number": ("BindProject", BIND | {"reason": "4111 1111 1111 1111"}),
    "unknown": ("FrobnicateAccount", {"account": "a"}),
    "waiting": ("BindProject", {"project": "ghost", "account": "a", "waitSeconds": 60}),
    "transferred": ("TransferProjects", {"fromAccount": "b", "toAccount": "a"}),
}


def desk_of_first() -> Desk:
    desk = ready_desk()
    desk.create("c")
    desk.bind("p2", "b")
    return desk


def answered_again(said: Said, first: CommandCompleted) -> bool:
    """Return whether nothing came of it but the same result, which says that it is repeated."""
    assert first.repeated is False
    return (
        said.result == replace(first, repeated=True)
        and len(said.outgoing) == len(said.folded.unclaimed) == said.folded.repeated_commands == 1
        and (said.folded.claims, said.folded.outcomes) == ({}, {})
    )


@pytest.mark.parametrize(("name", "members"), FIRST.values(), ids=FIRST)
@pytest.mark.parametrize("mode", (structured, binary))
def test_the_latest_result_is_repeated_as_it_was(mode: Any, name: str, members: dict[str, Any]) -> None:
    desk = desk_of_first()
    first = desk.command(name, {"id": "c1"}, **members).result
    desk.now += timedelta(seconds=1)
    data = {"organization": "acme"} | dict(reversed(members.items()))
    for _ in range(2):
        before = desk.memory()
        said = desk.hear(command(mode(name, data, id="c1", **AGAIN)))
        assert answered_again(said, first)
        assert desk.memory() == before


def test_the_answer_goes_to_the_record_that_asked() -> None:
    desk = ready_desk()
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    first = desk.command("BindProject", {"id": "c1", "correlationid": "k-1", "traceparent": trace}, **BIND)
    desk.now += timedelta(seconds=1)
    said = desk.command("BindProject", {"id": "c1", "authid": "bob", "correlationid": "k-2"} | AGAIN, **BIND)
    (outgoing,) = said.outgoing
    assert (outgoing.sender, outgoing.passed_on, outgoing.causation_id) == ("bob", {"correlationid": "k-2"}, "c1")
    assert (outgoing.subject, outgoing.key, outgoing.boundary) == ("acme", b"acme", "acme")
    assert outgoing.time > first.outgoing[-1].time


def test_a_refusal_is_repeated_though_its_cause_is_gone() -> None:
    desk = ready_desk()
    first = desk.command("BindProject", {"id": "c1"}, project="ghost", account="a").result
    desk.project(project="ghost")
    assert answered_again(desk.command("BindProject", {"id": "c1"} | AGAIN, project="ghost", account="a"), first)
    assert desk.payer("ghost") is None


@pytest.mark.parametrize("is_in_one_batch", (False, True))
def test_of_a_binding_that_was_put_off_the_latest_result_is_repeated(*, is_in_one_batch: bool) -> None:
    desk = ready_desk()
    members = {"project": "ghost", "account": "a", "waitSeconds": 60}
    interim = desk.command("BindProject", {"id": "c1"}, **members).result
    assert (interim.outcome, interim.fingerprint) == ("Waiting", _fingerprint(members))
    assert answered_again(desk.command("BindProject", {"id": "c1"} | AGAIN, **members), interim)
    desk.now += timedelta(seconds=61)
    due = Due(DueKind.WAITING_BINDING, "acme", "ghost")
    again = command(structured("BindProject", {"organization": "acme"} | members, id="c1", **AGAIN))
    if is_in_one_batch:
        final, repeated = desk.hear(due, again).all(CommandCompleted)
    else:
        final, repeated = desk.hear(due).result, desk.hear(again).result
    assert (final.outcome, final.repeated, final.fingerprint) == ("Rejected", False, interim.fingerprint)
    assert repeated == replace(final, repeated=True)


def test_the_original_may_be_in_the_same_batch() -> None:
    desk = ready_desk()
    message = command(structured("BindProject", BIND | {"organization": "acme"}, id="c1"))
    again = command(structured("BindProject", BIND | {"organization": "acme"}, id="c1", **AGAIN))
    said = desk.hear(message, again, message, again)
    first, *others = said.all(CommandCompleted)
    assert others == [replace(first, repeated=True)] * 2
    assert (said.folded.repeated_commands, len(said.folded.claims), len(said.folded.unclaimed)) == (3, 1, 2)


def test_to_a_new_command_it_makes_no_difference_but_that_its_place_is_remembered() -> None:
    """Delivered again, it would find itself answered."""
    asking, other = ready_desk(), ready_desk()
    said = asking.command("BindProject", {"id": "c1"} | AGAIN, **BIND)
    assert said.result == other.command("BindProject", {"id": "c1"}, **BIND).result
    assert (len(said.folded.claims), len(said.folded.unclaimed)) == (1, 1)


def test_a_dry_run_that_asks_again_is_a_dry_run() -> None:
    desk = bound_desk()
    desk.command("BindProject", {"id": "c1"}, project="p1", account="b")
    said = desk.command("BindProject", {"id": "c1"} | AGAIN, project="p1", account="b", dryRun=True)
    assert (said.outcome, said.result.dry_run, said.result.repeated) == ("Unchanged", True, False)


def test_another_meaning_is_not_answered_again() -> None:
    desk = ready_desk()
    first = desk.command("BindProject", {"id": "c1"}, **BIND).result
    said = desk.command("BindProject", {"id": "c1"} | AGAIN, project="p1", account="b")
    assert (said.reasons, said.result.repeated) == (["CommandIdReused"], False)
    assert said.result.fingerprint != first.fingerprint
    assert answered_again(desk.command("BindProject", {"id": "c1"} | AGAIN, **BIND), first)


def test_a_result_that_is_no_longer_kept() -> None:
    desk = ready_desk()
    first = desk.command("BindProject", {"id": "c1"}, **BIND).result
    desk.answered.results.clear()
    said = desk.command("BindProject", {"id": "c1"} | AGAIN, **BIND)
    assert (said.reasons, said.result.repeated, said.result.fingerprint) == (["Expired"], False, first.fingerprint)
    assert "archived" in said.result.violations[0].message
    assert (len(said.folded.unclaimed), said.folded.claims, desk.payer()) == (1, {}, "a")


def _fingerprint(members: dict[str, Any]) -> str | None:
    return command(structured("BindProject", {"organization": "acme"} | members)).told_fingerprint
