"""What one record was to cause, against logs made by hand: met, still open, or broken; and what came too much."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.acceptance.closing import what_should_not_be
from tests.acceptance.expand import Generators
from tests.acceptance.judging import Book, Broken, Expected, NotYet, instant_of, judge
from tests.acceptance.records import Sent
from tests.unit.acceptance_runner.by_hand import HOLD, ORGANIZATION, TIMES, HandMadeLog, announced, violation

A, P1 = f"{ORGANIZATION}/a", f"{ORGANIZATION}/p1"


def judged(log: HandMadeLog, sent: Sent, expect: dict[str, Any], *, of_final: bool = False) -> Book:
    sent.expect = expect if not of_final else sent.expect
    book = Book()

    def instant_of_step(_: str) -> datetime:
        return instant_of(sent, log)

    generators = Generators(datetime(2026, 1, 1, tzinfo=UTC), instant_of_step, book.bindings)
    judge(Expected("step 1", sent, expect, of_final), log, book, generators)
    return book


def suspended() -> tuple[HandMadeLog, Sent]:
    log = HandMadeLog()
    sent = log.command("SuspendAccount", "stop", {"account": "a"})
    log.phase("Ready", "Suspended", "PaymentFailure", "stop", holds=[HOLD])
    log.notice("AccountSuspended", "stop")
    log.changed("Suspended", 2, "stop", holds=[HOLD])
    log.result(sent, events=announced("AccountPhaseChanged", "AccountChanged", "ProjectBillingNotice"))
    return log, sent


JSON = {"content-type": "application/cloudevents+json"}

MET: list[dict[str, Any]] = [
    {},
    {"outcome": "Applied", "violations": [], "fields": {"commandType": "SuspendAccount", "violationCount": 0}},
    {"attributes": {"type": "CommandCompleted", "causationid": "stop", "sequence": None}},
    {"headers": JSON},
    {"headers": {"content-type": "<prefix:application/>", "traceparent": None}},
    {
        "announces": [
            {"type": "ProjectBillingNotice", "subject": P1},
            {"type": "AccountPhaseChanged"},
            {"type": "AccountChanged"},
        ]
    },
    {"events": [{"type": "AccountPhaseChanged"}, {"type": "ProjectBillingNotice"}]},
    {"events": [{"type": "AccountPhaseChanged", "subject": A}, {"type": "AccountChanged"}]},
    {"events": [{"type": "AccountPhaseChanged", "sequence": 1, "key": A, "data": {"holds": [{"by": "<any>"}]}}]},
    {"events": [{"type": "AccountPhaseChanged", "attributes": {"time": "<step 1>"}, "headers": JSON}]},
]

NOT_YET: list[dict[str, Any]] = [
    {"events": [{"type": "AccountPhaseChanged"}, {"type": "BindingChanged"}]},
    {"events": [{"type": "ProjectBillingNotice", "count": 2, "subject": P1}]},
    {"events": [{"type": "ProjectBillingNotice", "subject": f"{ORGANIZATION}/p2"}]},
    {"dead_letter": "Undecodable"},
]

BROKEN: list[dict[str, Any]] = [
    {"outcome": "Unchanged"},
    {"violations": ["Invalid"]},
    {"violations": {"at_least": ["Invalid"]}},
    {"fields": {"commandType": "BindProject"}},
    {"attributes": {"causationid": "other"}},
    {"headers": {}},
    {"headers": JSON | {"traceparent": "<any>"}},
    {"events": [{"type": "AccountPhaseChanged", "headers": {}}]},
    {"announces": []},
    {"announces": [{"type": "AccountChanged"}, {"type": "AccountPhaseChanged"}, {"type": "ProjectBillingNotice"}]},
    {"events": [{"type": "AccountChanged"}]},
    {"events": [{"type": "AccountPhaseChanged", "data": {"phase": "Ready"}}]},
    {"events": [{"type": "AccountPhaseChanged", "sequence": 2}]},
    {"events": [{"type": "AccountPhaseChanged", "key": ORGANIZATION}]},
    {"fields": {"commandId": "<other:unbound>"}},
]


@pytest.mark.parametrize("expect", MET)
def test_what_is_met(expect: dict[str, Any]) -> None:
    judged(*suspended(), expect)


@pytest.mark.parametrize("expect", NOT_YET)
def test_what_may_still_come(expect: dict[str, Any]) -> None:
    with pytest.raises(NotYet):
        judged(*suspended(), expect)


@pytest.mark.parametrize("expect", BROKEN)
def test_what_is_broken(expect: dict[str, Any]) -> None:
    with pytest.raises(Broken):
        judged(*suspended(), expect)


def test_violations_are_a_set_of_reasons() -> None:
    log = HandMadeLog()
    sent = log.command("BindProject", "bind")
    fields = [violation("Invalid", field="/project"), violation("Invalid", field="/account")]
    log.result(sent, "Rejected", violations=fields)
    judged(log, sent, {"violations": ["Invalid"]})
    judged(log, sent, {"violations": [{"reason": "Invalid", "field": "/account", "retryable": False}]})
    judged(log, sent, {"violations": {"at_least": []}})
    for wrong in ([{"reason": "Invalid", "field": "/other"}], ["Invalid", "CardNumber"], []):
        with pytest.raises(Broken):
            judged(log, sent, {"violations": wrong})


PLACE = "<prefix:billing.admin-commands/>"
IN_FULL: dict[str, Any] = {
    "reason": "Undecodable",
    "attributes": {"type": "DeadLetter", "causationid": "bind", "correlationid": None, "subject": PLACE},
    "data": {"topic": "billing.admin-commands", "value": None},
    "headers": JSON,
    "key": ORGANIZATION,
}


def test_a_dead_letter_breaks_what_does_not_expect_it() -> None:
    log = HandMadeLog()
    sent = log.command("BindProject", "bind")
    with pytest.raises(NotYet):
        judged(log, sent, {"outcome": "Applied"})
    log.dead_letter(sent, "Undecodable", size=3)
    with pytest.raises(Broken):
        judged(log, sent, {"outcome": "Applied"})
    judged(log, sent, {"dead_letter": {"reason": "Undecodable", "data": {"size": 3, "value": None}}})
    judged(log, sent, {"dead_letter": IN_FULL})
    elsewhere = HandMadeLog()
    elsewhere.prefix = "t7."
    elsewhere.add_sent(sent)
    elsewhere.dead_letter(sent, "Undecodable", topic="t7.admin-commands")
    judged(elsewhere, sent, {"dead_letter": IN_FULL})
    others: list[dict[str, Any]] = [
        {"reason": "TooLarge"},
        {"attributes": {"correlationid": "x"}},
        {"headers": {}},
        {"key": None},
    ]
    for wrong in others:
        with pytest.raises(Broken):
            judged(log, sent, {"dead_letter": IN_FULL | wrong})


def test_the_refused_command_of_a_fixture_is_told() -> None:
    log = HandMadeLog()
    sent = log.command("BindProject", "bind", of_fixture=True)
    log.result(sent, "Rejected", violations=[violation("Invalid")])
    with pytest.raises(Broken, match="fixture"):
        judged(log, sent, {})


def test_results_are_served_in_the_order_sent() -> None:
    log = HandMadeLog()
    first = log.command("BindProject", "c1", expect={"outcome": "Applied"})
    repeat = log.command("BindProject", "c1", expect={"result": False})
    other = log.command("BindProject", "c1", expect={"outcome": "Rejected"})
    log.result(first)
    with pytest.raises(NotYet):
        judged(log, other, {"outcome": "Rejected"})
    log.result(other, "Rejected", violations=[violation("CommandIdReused")])
    assert log.answers(first).first is log.outputs[0]
    assert log.answers(other).first is log.outputs[1]
    assert log.answers(repeat).first is None
    assert log.results_left_over() == []
    log.result(repeat)
    assert log.results_left_over() == [log.outputs[2]]


def test_a_repeated_result_goes_to_who_asked_for_it() -> None:
    log = HandMadeLog()
    sent = log.command("BindProject", "c1", expect={"outcome": "Scheduled"})
    silent = log.command("BindProject", "c1", expect={"result": False})
    asking = [log.command("BindProject", "c1", answer="again", expect={"outcome": "Scheduled"}) for _ in range(2)]
    log.result(sent, "Scheduled")
    log.result(asking[0], "Scheduled", repeated=True)
    judged(log, asking[0], {"outcome": "Scheduled", "fields": {"repeated": True}})
    with pytest.raises(NotYet):
        judged(log, asking[1], {"outcome": "Scheduled"})
    for awaited in (sent, asking[0]):
        with pytest.raises(NotYet):
            judged(log, awaited, {"outcome": "Applied"}, of_final=True)
    log.result(sent)
    for awaited in (sent, asking[0]):
        judged(log, awaited, {"outcome": "Applied"}, of_final=True)
    log.result(asking[1], repeated=True)
    assert [log.answers(one).first for one in (*asking, silent)] == [log.outputs[1], log.outputs[3], None]
    assert log.results_left_over() == []
    log.result(asking[1], repeated=True)
    assert log.results_left_over() == [log.outputs[4]]


def test_a_final_result_follows_the_interim_one() -> None:
    log = HandMadeLog()
    sent = log.command("BindProject", "later", expect={"outcome": "Scheduled"}, awaited=True)
    log.result(sent, "Scheduled")
    judged(log, sent, {"outcome": "Scheduled"})
    with pytest.raises(NotYet):
        judged(log, sent, {"outcome": "Applied"}, of_final=True)
    trial = log.command("BindProject", "later", {"dryRun": True}, expect={"outcome": "Scheduled"})
    log.result(trial, "Scheduled")
    reused = log.command("BindProject", "later", expect={"outcome": "Rejected"})
    log.result(reused, "Rejected", violations=[violation("CommandIdReused")])
    log.result(sent, "Rejected", violations=[violation("Superseded")])
    judged(log, sent, {"outcome": "Rejected", "violations": ["Superseded"]}, of_final=True)
    judged(log, reused, {"violations": ["CommandIdReused"]})
    judged(log, trial, {"outcome": "Scheduled"}, of_final=True)
    assert log.results_left_over() == []


def test_a_result_of_nobody_is_left_over() -> None:
    log, _ = suspended()
    stranger = HandMadeLog().command("BindProject", "stranger")
    log.result(stranger)
    assert len(what_should_not_be(log, [], Book())) == 1


def test_a_raw_record_owns_the_events_of_no_other() -> None:
    log, _sent = suspended()
    raw = Sent("step 2", "raw", "projects", None, b"{", expect={"events": [{"type": "ProjectBillingNotice"}]})
    log.add_sent(raw)
    with pytest.raises(NotYet):
        judged(log, raw, raw.expect or {})
    log.notice("PayerMissing", "anything")
    judged(log, raw, raw.expect or {})


@pytest.mark.parametrize(
    ("expects", "too_many"),
    (
        ([{"outcome": "Applied"}], 0),
        ([{"no_events": True}], 3),
        ([{"events": []}], 3),
        ([{"quiet": True}], 3),
        ([{"events": [{"type": "AccountPhaseChanged"}]}], 1),
        ([{"events": [{"type": "AccountPhaseChanged"}, {"type": "ProjectBillingNotice"}]}], 0),
        ([{"outcome": "Applied"}, {"result": False}], 0),
        ([{"events": [{"type": "AccountPhaseChanged"}]}, {"result": False, "no_events": True}], 1),
        ([{"outcome": "Applied"}, {"result": False, "events": []}], 3),
    ),
)
def test_events_beyond_the_lists_are_too_many(expects: list[dict[str, Any]], too_many: int) -> None:
    log, sent = suspended()
    sent.expect = expects[0]
    book = judged(log, sent, expects[0])
    expectations = [Expected("step 1", sent, expects[0])]
    for expect in expects[1:]:
        repeat = log.command("SuspendAccount", "stop", {"account": "a"}, expect=expect)
        expectations.append(Expected("step 2", repeat, expect))
    problems = [problem for problem in what_should_not_be(log, expectations, book) if "event too many" in problem]
    assert len(problems) == too_many


def test_the_lists_of_a_step_and_its_await_are_one() -> None:
    log, sent = suspended()
    expectations = [
        Expected("step 1", sent, {"outcome": "Waiting", "no_events": True}),
        Expected("step 2", sent, {"events": [{"type": "AccountPhaseChanged"}]}, of_final=True),
    ]
    sent.expect = expectations[0].expect
    book = judged(log, sent, expectations[1].expect, of_final=True)
    assert len(what_should_not_be(log, expectations, book)) == 1
    assert len(what_should_not_be(log, expectations[:1], Book())) == 3


def test_a_second_dead_letter_is_too_many() -> None:
    log = HandMadeLog()
    sent = log.command("BindProject", "bind", expect={"dead_letter": "Undecodable"})
    log.dead_letter(sent, "Undecodable")
    assert what_should_not_be(log, [], Book()) == []
    log.dead_letter(sent, "Undecodable")
    assert len(what_should_not_be(log, [], Book())) == 1
    sent.expect = {}
    assert len(what_should_not_be(log, [], Book())) == 2


def test_the_instant_of_a_step_is_its_first_events() -> None:
    log, sent = suspended()
    assert instant_of(sent, log).isoformat() == TIMES[1].replace("Z", "+00:00").replace(".000000", "")
    with pytest.raises(LookupError):
        instant_of(log.command("BindProject", "silent"), log)
