"""Events as they go out: rendered once, byte for byte (docs/contract.md sections 2, 6 and 7)."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from schemas.events import (
    AccountChanged,
    AccountPhaseChanged,
    BindingChanged,
    Cause,
    Condition,
    CurrentBinding,
    Event,
    Hold,
    NoticeKind,
    Phase,
    PhaseReason,
    PreviousBinding,
    ProjectBillingNotice,
)
from schemas.outgoing import Outgoing, headers_of, place_of, render
from schemas.results import (
    CommandCompleted,
    DeadLetter,
    HeaderCopy,
    Outcome,
    Reason,
    violation,
)
from schemas.terms import EarlyPaymentDiscount, PaymentTerms
from schemas.topics import Topic

NOON = datetime(2027, 1, 31, 12, tzinfo=UTC)
LATER = NOON + timedelta(microseconds=1)

BOUND = BindingChanged(
    organization="acme",
    project="p1",
    change="Superseded",
    current=CurrentBinding(
        binding_id="b-2",
        account="a",
        established_at=LATER,
        currency_code="USD",
        payment_terms=PaymentTerms(
            early_payment_discount=EarlyPaymentDiscount(percent=Decimal("2.50"), within_days=10)
        ),
    ),
    previous=PreviousBinding(binding_id="b-1", account="b", established_at=NOON, ended_at=LATER),
    cause=Cause(command_id="c-1", by="alice", reason="budget"),
)


def _outgoing(event: Event = BOUND, **changed: Any) -> Outgoing:
    usual: dict[str, Any] = {
        "event": event,
        "boundary": "acme",
        "subject": "acme/p1",
        "key": b"acme/p1",
        "time": LATER,
        "sequence": 2,
        "causation_id": "c-1",
        "sender": "alice",
        "passed_on": {"correlationid": "order 12"},
    }
    return Outgoing(**usual | changed)


def _said(outgoing: Outgoing) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(render(outgoing, "5-77", "/whopays/test"))
    return said


def test_the_bytes_of_an_event() -> None:
    assert render(_outgoing(), "5-77", "/whopays/test") == (
        b'{"specversion":"1.0","id":"5-77","source":"/whopays/test","type":"io.milo.billing.BindingChanged.v1",'
        b'"time":"2027-01-31T12:00:00.000001Z","subject":"acme/p1","sequence":"00000000000000000002",'
        b'"partitionkey":"acme/p1","causationid":"c-1","authid":"alice","correlationid":"order 12",'
        b'"data":{"organization":"acme","project":"p1","change":"Superseded",'
        b'"current":{"bindingId":"b-2","account":"a","establishedAt":"2027-01-31T12:00:00.000001Z","currencyCode":"USD",'
        b'"paymentTerms":{"netDays":30,"invoiceFrequency":"Monthly","invoiceDayOfMonth":1,'
        b'"earlyPaymentDiscount":{"percent":"2.5","withinDays":10},"latePaymentPenalty":null}},'
        b'"previous":{"bindingId":"b-1","account":"b","establishedAt":"2027-01-31T12:00:00.000000Z",'
        b'"endedAt":"2027-01-31T12:00:00.000001Z"},"cause":{"commandId":"c-1","by":"alice","reason":"budget"}}}'
    )


def test_the_same_event_is_the_same_bytes() -> None:
    elsewhere = LATER.astimezone(timezone(timedelta(hours=9)))
    assert len({render(_outgoing(time=time), "1-1", "/w") for time in (LATER, elsewhere)}) == 1


def test_what_is_absent_is_left_out() -> None:
    bare = _said(_outgoing(key=None, sequence=None, causation_id=None, sender=None, passed_on={}))
    assert list(bare) == ["specversion", "id", "source", "type", "time", "subject", "data"]


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
JSON = ("content-type", b"application/cloudevents+json")


@pytest.mark.parametrize("correlation", (None, "order 12", '","traceparent":"x"', 'x,"traceparent":', "caf\u00e9"))
def test_headers_are_the_content_type_and_the_trace(correlation: str | None) -> None:
    said = {} if correlation is None else {"correlationid": correlation}
    odd = replace(BOUND, cause=Cause(command_id="c-1", by="alice", reason=',"traceparent":"x"'))
    for event in (BOUND, odd):
        untraced = _outgoing(event, key="caf\u00e9".encode(), sender="J\u00f6rg", passed_on=said)
        assert headers_of(render(untraced, "5-77", "/whopays/test")) == [JSON]
        for passed_on in (said | {"traceparent": TRACE}, {"traceparent": TRACE} | said):
            traced = render(_outgoing(event, passed_on=passed_on), "5-77", "/whopays/test")
            assert headers_of(traced) == [JSON, ("traceparent", TRACE.encode())]


@pytest.mark.parametrize(
    ("value", "place"),
    (
        (b'{"id":"7-12","source":"/w"}', (7, 12)), (b'{"id":"7-12"}', None), (b'{"id":"7-12","source":"/x"}', None),
        (b'{"source":"/w"}', None), (b'{"id":"7","source":"/w"}', None), (b'{"id":"-7-12","source":"/w"}', None),
        (b'{"id":"a-b","source":"/w"}', None), (b'{"id":7,"source":"/w"}', None), (b"{}", None), (b"[]", None),
        (b"", None), (None, None), (b"\xff", None), (b'{"id":"7-12",', None),
    ),
)  # fmt: skip
def test_where_in_the_log_an_event_is(value: bytes | None, place: tuple[int, int] | None) -> None:
    assert place_of(value, "/w") == place
    assert place_of(render(_outgoing(), "5-77", "/whopays/test")) == (5, 77)
    assert place_of(render(_outgoing(), "5-77", "/whopays/test"), "/whopays/other") is None


def test_a_key_that_is_no_text_is_no_attribute() -> None:
    assert "partitionkey" not in _said(_outgoing(key=b"\xff"))


def test_what_the_contract_marks_optional_is_left_out_and_all_else_is_null() -> None:
    released = replace(BOUND, current=None, cause=Cause(fact_id="f-1", by="/rm"))
    data = _said(_outgoing(released))["data"]
    assert data["current"] is None
    assert data["cause"] == {"factId": "f-1", "by": "/rm"}


def test_an_account_as_it_is_told() -> None:
    hold = Hold(reason="PaymentFailure", message=None, by="bob", placed_at=NOON)
    condition = Condition(
        type="NoHolds", status="False", reason=PhaseReason.PAYMENT_FAILURE, message="m", last_transition_time=NOON
    )
    event = AccountChanged(
        organization="acme",
        account="a",
        display_name=None,
        phase=Phase.SUSPENDED,
        conditions=(condition,),
        holds=(hold,),
        currency_code=None,
        payment_terms=None,
        preferences=None,
        payment_profile=None,
        activated_at=None,
        version=3,
        closure=None,
        cause=Cause(command_id="c", by="bob"),
    )
    assert _said(_outgoing(event))["data"] == {
        "organization": "acme",
        "account": "a",
        "displayName": None,
        "phase": "Suspended",
        "conditions": [
            {
                "type": "NoHolds",
                "status": "False",
                "reason": "PaymentFailure",
                "message": "m",
                "lastTransitionTime": "2027-01-31T12:00:00.000000Z",
            },
        ],
        "holds": [
            {
                "reason": "PaymentFailure",
                "message": None,
                "by": "bob",
                "placedAt": "2027-01-31T12:00:00.000000Z",
                "reactivation": None,
            },
        ],
        "currencyCode": None,
        "paymentTerms": None,
        "preferences": None,
        "paymentProfile": None,
        "activatedAt": None,
        "version": 3,
        "closure": None,
        "cause": {"commandId": "c", "by": "bob"},
    }


def test_members_of_the_other_events() -> None:
    phase = AccountPhaseChanged(
        organization="acme",
        account="a",
        previous_phase=None,
        phase=Phase.PROVISIONING,
        reason=PhaseReason.CREATED,
        message="m",
        holds=(),
        cause=Cause(command_id="c", by="bob"),
    )
    notice = ProjectBillingNotice(
        organization="acme",
        project="p",
        account=None,
        kind=NoticeKind.PAYER_MISSING,
        reason="ProjectUnbound",
        message="m",
    )
    assert list(_said(_outgoing(phase))["data"]) == [
        "organization",
        "account",
        "previousPhase",
        "phase",
        "reason",
        "message",
        "holds",
        "cause",
    ]
    assert _said(_outgoing(notice))["data"]["account"] is None
    assert list(_said(_outgoing(notice))["data"]) == ["organization", "project", "account", "kind", "reason", "message"]


def test_a_result_as_it_is_told() -> None:
    result = CommandCompleted(
        organization="acme",
        command_id="c",
        command_source="/s",
        command_type="t",
        dry_run=False,
        outcome=Outcome.REJECTED,
        violations=(violation(Reason.PROJECT_NOT_FOUND, "m", field="/project"), violation(Reason.EXPIRED, "n")),
        violation_count=2,
        events=(),
        event_count=0,
    )
    assert _said(_outgoing(result))["data"] == {
        "organization": "acme",
        "commandId": "c",
        "commandSource": "/s",
        "commandType": "t",
        "dryRun": False,
        "outcome": "Rejected",
        "violations": [
            {"reason": "ProjectNotFound", "message": "m", "field": "/project", "retryable": True},
            {"reason": "Expired", "message": "n", "retryable": False},
        ],
        "violationCount": 2,
        "events": [],
        "eventCount": 0,
    }


def test_a_dead_letter_as_it_is_told() -> None:
    letter = DeadLetter(
        source_topic="billing.projects",
        partition=3,
        offset=7,
        timestamp=NOON,
        reason="Tombstone",
        detail="d",
        key="a2V5",
        headers=(HeaderCopy(name="x", value=None),),
        value=None,
        size=0,
        sha256=None,
    )
    assert _said(_outgoing(letter))["data"] == {
        "topic": "billing.projects",
        "partition": 3,
        "offset": 7,
        "timestamp": "2027-01-31T12:00:00.000000Z",
        "reason": "Tombstone",
        "detail": "d",
        "key": "a2V5",
        "headers": [{"name": "x", "value": None}],
        "value": None,
        "size": 0,
        "sha256": None,
    }


@pytest.mark.parametrize(
    ("event", "topic"),
    (
        (BindingChanged, Topic.BINDINGS),
        (AccountPhaseChanged, Topic.ACCOUNTS),
        (AccountChanged, Topic.ACCOUNTS),
        (ProjectBillingNotice, Topic.NOTICES),
        (CommandCompleted, Topic.COMMAND_RESULTS),
        (DeadLetter, Topic.DEAD_LETTERS),
    ),
)
def test_where_each_goes(event: type[Event], topic: Topic) -> None:
    assert event.topic is topic
