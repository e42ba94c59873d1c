"""Every invariant of `cases/FORMAT.md`, section 8, is found broken where it is, and nowhere else."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.acceptance.invariants import broken_invariants
from tests.acceptance.records import OutputRecord
from tests.unit.acceptance_runner.by_hand import (
    CONDITIONS,
    HOLD,
    ORGANIZATION,
    TIMES,
    HandMadeLog,
    a_life_in_order,
    announced,
    violation,
)

Break = Callable[[HandMadeLog], Any]


def found(log: HandMadeLog) -> set[int]:
    return {int(problem.partition(":")[0]) for problem in broken_invariants(log)}


def test_a_life_in_order_breaks_nothing() -> None:
    assert broken_invariants(a_life_in_order()) == []


def with_headers(log: HandMadeLog, change: Callable[[dict[str, bytes]], Any]) -> None:
    record = log.outputs.pop()
    headers = {name: value or b"" for name, value in record.headers}
    change(headers)
    log.outputs.append(OutputRecord(record.topic, 0, 1, record.key, record.value, tuple(headers.items())))


def notice_on(log: HandMadeLog, topic: str) -> None:
    log.notice("PayerMissing", "bind")
    log.outputs.append(replace(log.outputs.pop(), topic=topic))


def resolved(log: HandMadeLog, outcome: str = "Applied", **data: Any) -> OutputRecord:
    """Add one more command and its result, as the test words it."""
    sent = log.command("BindProject", "more", data.pop("sent", {"project": "p1", "account": "a"}))
    return log.result(sent, outcome, **data)


def refused(log: HandMadeLog, *violations: dict[str, Any], **data: Any) -> OutputRecord:
    return resolved(log, "Rejected", violations=list(violations), **data)


def changed_by(log: HandMadeLog, **data: Any) -> None:
    """Add one more change of the account, in order but for what the test words otherwise."""
    sent = log.command("UpdateAccount", "update", {"account": "a"})
    log.changed("Suspended", data.pop("version", 3), "update", **{"holds": [HOLD]} | data)
    log.result(sent, events=announced("AccountChanged"))


def twice(log: HandMadeLog) -> None:
    log.outputs.append(log.outputs[-1])


def null_value(log: HandMadeLog) -> None:
    record = log.outputs[-1]
    log.outputs.append(OutputRecord("bindings", 0, 99, record.key, None, ()))


def replaced_attribute(log: HandMadeLog, **attributes: str) -> None:
    cause = {"factId": "gone", "by": "x"}
    data = {"project": "p1", "account": None, "kind": "PayerMissing", "cause": cause}
    log.output("notices", "ProjectBillingNotice", f"{ORGANIZATION}/p1", data, "gone", **attributes)


def last_binding_again(log: HandMadeLog, **attributes: str) -> None:
    last = next(record for record in reversed(log.outputs) if record.topic == "bindings")
    log.outputs.remove(last)
    log.output("bindings", "BindingChanged", last.subject, last.data, "move", **attributes)


def binding(number: int, began: int | None = None, ended: int | None = None) -> dict[str, Any]:
    instants = {"establishedAt": TIMES[began or 10 + number]} | ({} if ended is None else {"endedAt": TIMES[ended]})
    return {"bindingId": f"b{number}", "account": "a"} | instants


def changed_with_phase(log: HandMadeLog, phase: str, holds: list[Any]) -> None:
    sent = log.command("ApproveReactivation", "approve", {"account": "a"})
    log.phase("Suspended", "Ready", "RequirementsMet", "approve")
    log.changed(phase, 3, "approve", holds=holds)
    log.result(sent, events=announced("AccountPhaseChanged", "AccountChanged"))


def waiting(log: HandMadeLog) -> Any:
    sent = log.command("BindProject", "patient", {"project": "p9", "account": "a"})
    log.result(sent, "Waiting")
    return sent


def unanswerable(log: HandMadeLog) -> Any:
    return log.command("BindProject", "", {}, id=None, expect={"dead_letter": "MissingAttribute"})


def quoting(log: HandMadeLog, text: str) -> None:
    contact = {"name": "Ottokar", "emails": []}
    sent = {"account": "a", "displayName": "y" * 200, "contact": contact}
    refused(log, violation("Invalid", message=f"{text}, it says"), sent=sent)


def other_announced(log: HandMadeLog) -> None:
    resolved(log, events=announced("ProjectBillingNotice"))
    more(log)


def more(log: HandMadeLog) -> OutputRecord:
    return log.bound(3, 2, "more")


def half_known() -> dict[str, Any]:
    return {"outstanding": "12", "currencyCode": None, "asOf": None}


def miscounted() -> dict[str, Any]:
    return {"count": 3, "projects": ["p1"]}


TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
PAYS = {"project": "p1", "account": "a"}
TRIAL = PAYS | {"dryRun": True}
CARD = PAYS | {"reason": "4111 1111-11111111"}
AS_BEFORE: dict[str, Any] = {"events": announced("BindingChanged"), "repeated": True}


def traced(log: HandMadeLog, change: Callable[[dict[str, bytes]], Any]) -> None:
    replaced_attribute(log, traceparent=TRACE.decode())
    with_headers(log, change)


def drop_trace(headers: dict[str, bytes]) -> None:
    headers.pop("traceparent")


def change_trace(headers: dict[str, bytes]) -> None:
    headers["traceparent"] = TRACE[:-1] + b"1"


def asked_again(log: HandMadeLog, outcome: str = "Applied", **data: Any) -> OutputRecord:
    return log.result(log.command("BindProject", "bind", PAYS, answer="again"), outcome, **data)


def repeated(log: HandMadeLog) -> OutputRecord:
    return asked_again(log, **AS_BEFORE)


def torn(log: HandMadeLog, specversion: str, **attributes: Any) -> Any:
    sent = log.command("BindProject", "torn", {}, specversion=specversion, expect={"dead_letter": "UnsupportedVersion"})
    return replace(sent, **attributes)


BREAKS: list[tuple[int, str, Break]] = [
    (1, "an id twice", twice),
    (1, "a null value", null_value),
    (1, "another content type", lambda log: with_headers(log, lambda headers: headers.update({"content-type": b"x"}))),
    (1, "no content type", lambda log: with_headers(log, lambda headers: headers.pop("content-type"))),
    (1, "an attribute as a header", lambda log: with_headers(log, lambda headers: headers.update(ce_id=b"3-1"))),
    (1, "a replay", lambda log: with_headers(log, lambda headers: headers.update({"whopays-replay": b"r"}))),
    (1, "a trace in a header only", lambda log: with_headers(log, lambda headers: headers.update(traceparent=TRACE))),
    (1, "a trace in the envelope only", lambda log: traced(log, drop_trace)),
    (1, "another trace in the header", lambda log: traced(log, change_trace)),
    (1, "an id of another form", lambda log: replaced_attribute(log, id="abc")),
    (1, "another source", lambda log: replaced_attribute(log, source="/somebody")),
    (1, "a time without offset", lambda log: replaced_attribute(log, time="2026-01-01T00:00:00")),
    (1, "another specversion", lambda log: replaced_attribute(log, specversion="0.3")),
    (2, "another type for the topic", lambda log: replaced_attribute(log, type="io.milo.billing.DeadLetter.v1")),
    (2, "a type without its version", lambda log: replaced_attribute(log, type="io.milo.billing.ProjectBillingNotice")),
    (2, "another subject", lambda log: replaced_attribute(log, subject=f"{ORGANIZATION}/p2")),
    (2, "another key", lambda log: replaced_attribute(log, partitionkey=ORGANIZATION)),
    (2, "another topic", lambda log: notice_on(log, "bindings")),
    (3, "a sequence on notices", lambda log: replaced_attribute(log, sequence=f"{1:020}")),
    (3, "a hole", lambda log: log.outputs.pop(1)),
    (3, "a repeat", lambda log: last_binding_again(log, sequence=f"{1:020}")),
    (3, "fewer digits", lambda log: last_binding_again(log, sequence="2")),
    (4, "another previous", lambda log: log.bound(3, 1, "move")),
    (4, "no previous", lambda log: log.bound(3, None, "move")),
    (4, "a gap", lambda log: log.bound(3, 2, "move", previous=binding(2, ended=14))),
    (4, "another time", lambda log: last_binding_again(log, time=TIMES[40])),
    (4, "an instant that falls", lambda log: log.bound(1, 2, "move")),
    (4, "a bindingId again", lambda log: log.bound(3, 2, "move", current=binding(1, began=13))),
    (5, "another previous phase", lambda log: log.phase("Ready", "Incomplete", "PaymentProfileInvalid", "stop")),
    (5, "a phase after itself", lambda log: log.phase("Suspended", "Suspended", "PaymentFailure", "stop")),
    (5, "a reason that does not fit", lambda log: log.phase("Suspended", "Ready", "PaymentFailure", "stop")),
    (5, "created again", lambda log: log.phase("Suspended", "Provisioning", "Created", "stop")),
    (5, "no beginning", lambda log: log.outputs.pop(0)),
    (6, "not last", lambda log: log.phase("Suspended", "Ready", "RequirementsMet", "stop")),
    (6, "twice", lambda log: log.changed("Suspended", 3, "stop", holds=[HOLD])),
    (6, "not at all", lambda log: log.result(log.command("UpdateAccount", "update", {"account": "a"}))),
    (6, "by a binding", lambda log: log.changed("Suspended", 3, "bind", holds=[HOLD])),
    (6, "another phase", lambda log: changed_with_phase(log, phase="Incomplete", holds=[])),
    (6, "other holds", lambda log: changed_with_phase(log, phase="Ready", holds=[HOLD])),
    (6, "a version that stays", lambda log: changed_by(log, version=2)),
    (6, "a contact", lambda log: changed_by(log, contact={"name": "Ottokar"})),
    (7, "a hold without its author", lambda log: changed_by(log, holds=[HOLD | {"by": None}])),
    (7, "a hold for a whim", lambda log: changed_by(log, holds=[HOLD | {"reason": "Whim"}])),
    (7, "a reactivation in part", lambda log: changed_by(log, holds=[HOLD | {"reactivation": {"by": "carol"}}])),
    (7, "a closure in part", lambda log: changed_by(log, closure={"by": "alice"})),
    (7, "a cause of two kinds", lambda log: changed_by(log, cause={"commandId": "x", "factId": "x", "by": "alice"})),
    (7, "a cause of another id", lambda log: changed_by(log, cause={"commandId": "x", "by": "alice"})),
    (7, "a condition missing", lambda log: changed_by(log, conditions=CONDITIONS[:3])),
    (
        7,
        "a status that is none",
        lambda log: changed_by(log, conditions=[CONDITIONS[0] | {"status": True}, *CONDITIONS[1:]]),
    ),
    (7, "no blockers", lambda log: refused(log, violation("ActiveBindingsExist"))),
    (7, "blockers in part", lambda log: refused(log, violation("ChargesOutstanding", blockers=half_known()))),
    (7, "blockers miscounted", lambda log: refused(log, violation("ActiveBindingsExist", blockers=miscounted()))),
    (8, "no result", lambda log: log.command("BindProject", "silence")),
    (8, "two results", lambda log: log.result(log.sent[0], events=announced("AccountChanged"))),
    (8, "two interim ones", lambda log: (waiting(log), log.result(log.sent[-1], "Waiting"))),
    (8, "no final one that is awaited", lambda log: setattr(waiting(log), "awaited", True)),
    (8, "a short commandType", lambda log: resolved(log, "Unchanged", commandType="BindProject")),
    (8, "a short type of event", lambda log: resolved(log, events=[{"type": "BindingChanged", "subject": "x"}])),
    (8, "a dead letter of what can be read", lambda log: log.dead_letter(log.sent[0], "HandlerFault")),
    (8, "a dry run with a binding", lambda log: resolved(log, sent=TRIAL, bindingId="b7")),
    (8, "the account left out", lambda log: resolved(log, "Unchanged", account=None)),
    (8, "another account", lambda log: resolved(log, "Unchanged", account="b")),
    (8, "the project left out", lambda log: refused(log, violation("Unauthenticated"), project=None)),
    (8, "an account of no good form", lambda log: resolved(log, "Unchanged", sent={"project": "p1", "account": "A b"})),
    (8, "no fingerprint", lambda log: resolved(log, "Unchanged", fingerprint=None)),
    (8, "a long fingerprint", lambda log: resolved(log, "Unchanged", fingerprint="0" * 64)),
    (8, "another fingerprint for the same", lambda log: resolved(log, "Unchanged", fingerprint="0" * 16)),
    (8, "a fingerprint of a card number", lambda log: resolved(log, "Unchanged", sent=CARD)),
    (8, "the answer again that nobody asked for", lambda log: resolved(log, repeated=True)),
    (8, "another answer again", lambda log: asked_again(log, "Unchanged", repeated=True)),
    (8, "an answer again that does not say so", lambda log: asked_again(log, events=announced("BindingChanged"))),
    (8, "two answers again", lambda log: (repeated(log), log.result(log.sent[-1], **AS_BEFORE))),
    (8, "no answer again", lambda log: log.command("BindProject", "bind", PAYS, answer="again")),
    (8, "a transfer uncounted", lambda log: log.result(log.command("TransferProjects", "all"))),
    (9, "refused for nothing", refused),
    (9, "applied in spite of something", lambda log: resolved(log, violations=[violation("Invalid")])),
    (9, "two stages", lambda log: refused(log, violation("Invalid"), violation("AccountNotFound"))),
    (9, "admission and identity", lambda log: refused(log, violation("Forbidden"), violation("Expired"))),
    (9, "in company", lambda log: refused(log, violation("Unauthenticated"), violation("Forbidden"))),
    (9, "out of order", lambda log: refused(log, violation("AccountNotReady"), violation("ProjectNotFound"))),
    (9, "wrongly retryable", lambda log: refused(log, violation("Invalid", retryable=True))),
    (9, "wrongly final", lambda log: refused(log, violation("AccountNotFound", retryable=False))),
    (9, "no pointer", lambda log: refused(log, violation("Invalid", field="account"))),
    (9, "Superseded in company", lambda log: refused(log, violation("AccountNotFound"), violation("Superseded"))),
    (9, "a reason of its own", lambda log: refused(log, violation("Mood"))),
    (9, "counted wrongly", lambda log: refused(log, violation("Invalid"), violationCount=2)),
    (10, "an event of what was refused", lambda log: (refused(log, violation("Invalid")), log.bound(3, 2, "more"))),
    (10, "an event of a dry run", lambda log: log.bound(3, 2, "attempt")),
    (10, "an event unannounced", lambda log: (resolved(log), log.bound(3, 2, "more"))),
    (10, "an event announced that never came", lambda log: resolved(log, events=announced("BindingChanged"))),
    (10, "another event announced", other_announced),
    (10, "counted wrongly", lambda log: (resolved(log, events=announced("BindingChanged"), eventCount=2), more(log))),
    (10, "events of what is unchanged", lambda log: resolved(log, "Unchanged", events=announced("BindingChanged"))),
    (11, "the value of a command", lambda log: log.dead_letter(unanswerable(log), "MissingAttribute", value="eA==")),
    (11, "a hash of a card number", lambda log: log.dead_letter(unanswerable(log), "CardNumber", sha256="00")),
    (11, "no causationid", lambda log: log.dead_letter(torn(log, "0.3", id="t"), "UnsupportedVersion")),
    (11, "another causationid", lambda log: log.dead_letter(replace(torn(log, "0.3"), id="t"), "UnsupportedVersion")),
    (12, "a long quotation", lambda log: quoting(log, "y" * 101)),
    (12, "a contact", lambda log: quoting(log, "Ottokar")),
    (13, "a notice again", lambda log: log.notice("AccountSuspended", "stop")),
    (13, "a notice without its cause", lambda log: log.notice("AccountReady", "stop")),
    (13, "not ready, where it was not ready before", lambda log: log.notice("AccountNotReady", "stop")),
    (13, "suspended by another cause", lambda log: log.notice("AccountSuspended", "bind")),
    (14, "an empty correlationid", lambda log: replaced_attribute(log, correlationid="")),
    (14, "an empty traceparent", lambda log: replaced_attribute(log, traceparent="")),
    (14, "a traceparent of zeros", lambda log: replaced_attribute(log, traceparent=f"00-{'0' * 32}-{'1' * 16}-00")),
    (14, "a traceparent with more", lambda log: replaced_attribute(log, traceparent=f"{TRACE.decode()}-1")),
]


@pytest.mark.parametrize(
    ("number", "break_it"),
    [(number, break_it) for number, _, break_it in BREAKS],
    ids=[f"{number} {what}" for number, what, _ in BREAKS],
)
def test_what_is_broken_is_found(number: int, break_it: Break) -> None:
    log = a_life_in_order()
    break_it(log)
    assert number in found(log)


def test_every_invariant_is_broken_once() -> None:
    assert {number for number, _, _ in BREAKS} == set(range(1, 15))


@pytest.mark.parametrize("trace", (TRACE.decode(), TRACE.decode().replace("00-4", "cc-4") + "-more"))
def test_what_is_in_order_breaks_nothing(trace: str) -> None:
    log = a_life_in_order()
    repeated(log)
    replaced_attribute(log, traceparent=trace, correlationid="7")
    resolved(log, "Unchanged", sent=CARD, fingerprint=None)
    assert broken_invariants(log) == []


def test_a_message_may_quote_a_hundred_characters() -> None:
    log = a_life_in_order()
    quoting(log, "y" * 100)
    assert broken_invariants(log) == []


def test_an_expiry_is_a_second_occasion_of_its_fact() -> None:
    log = a_life_in_order()
    fact = {"account": "a", "expiresAt": TIMES[0]}
    log.command("PaymentProfileChanged", "card", fact, topic="payment-profiles", expect=None)
    cause = {"factId": "card", "by": "/payments"}
    for version in (3, 4):
        log.changed("Suspended", version, "card", holds=[HOLD], cause=cause)
    assert broken_invariants(log) == []
    log.changed("Suspended", 5, "card", holds=[HOLD], cause=cause)
    assert found(log) == {6}
