"""Events as they go out: rendered once, byte for byte (docs/contract.md sections 2, 6 and 7)."""

from dataclasses import replace
from datetime import timedelta, timezone

import pytest

from schemas.events import (
    AccountChanged,
    AccountPhaseChanged,
    BindingChanged,
    Cause,
    Event,
    ProjectBillingNotice,
)
from schemas.outgoing import event_id_of, headers_of, place_of, render
from schemas.results import (
    CommandCompleted,
    DeadLetter,
)
from schemas.topics import Topic
from tests.unit.schemas.going_out import BOUND, LATER, members, outgoing


def test_the_bytes_of_an_event() -> None:
    assert render(outgoing(), "5-77", "/whopays/test") == (
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
    assert len({render(outgoing(time=time), "1-1", "/w") for time in (LATER, elsewhere)}) == 1


def test_what_is_absent_is_left_out() -> None:
    bare = members(outgoing(key=None, sequence=None, causation_id=None, sender=None, passed_on={}))
    assert list(bare) == ["specversion", "id", "source", "type", "time", "subject", "data"]


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
JSON = ("content-type", b"application/cloudevents+json")


@pytest.mark.parametrize("correlation", (None, "order 12", '","traceparent":"x"', 'x,"traceparent":', "caf\u00e9"))
def test_headers_are_the_content_type_and_the_trace(correlation: str | None) -> None:
    said = {} if correlation is None else {"correlationid": correlation}
    odd = replace(BOUND, cause=Cause(command_id="c-1", by="alice", reason=',"traceparent":"x"'))
    for event in (BOUND, odd):
        untraced = outgoing(event, key="caf\u00e9".encode(), sender="J\u00f6rg", passed_on=said)
        assert headers_of(render(untraced, "5-77", "/whopays/test")) == [JSON]
        for passed_on in (said | {"traceparent": TRACE}, {"traceparent": TRACE} | said):
            traced = render(outgoing(event, passed_on=passed_on), "5-77", "/whopays/test")
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
    assert place_of(render(outgoing(), "5-77", "/whopays/test")) == (5, 77)
    assert place_of(render(outgoing(), "5-77", "/whopays/test"), "/whopays/other") is None


@pytest.mark.parametrize(
    ("value", "event_id"),
    (
        (b'{"id":"7-12"}', "7-12"), (b'{"id":7}', "7"), (b"{}", None), (b"[]", None), (b'["id"]', None), (b"7", None),
        (b"", None), (None, None), (b"\xff", None),
    ),
)  # fmt: skip
def test_what_an_event_is_called(value: bytes | None, event_id: str | None) -> None:
    assert event_id_of(value) == event_id


def test_a_key_that_is_no_text_is_no_attribute() -> None:
    assert "partitionkey" not in members(outgoing(key=b"\xff"))


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
