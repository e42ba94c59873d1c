"""How a record of a case looks on its way to Kafka."""

import json
from base64 import b64decode
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pytest

from tests.acceptance.expand import Generators
from tests.acceptance.format import Record
from tests.acceptance.json_types import NumberAsWritten
from tests.acceptance.records import Sent
from tests.acceptance.sending import build, build_marker, letters

HOME = "acme-q"


def no_step(target: str) -> datetime:
    raise LookupError(target)


def built(kind: Any = "send", **members: Any) -> Sent:
    record = Record("step 1", kind, members, {}, 10)
    return build(record, Generators(datetime(2026, 1, 1, tzinfo=UTC), no_step, {"v": 7}), HOME, "sent-a")


def test_the_defaults_of_a_send() -> None:
    sent = built(type="BindProject", data={"project": "p1", "n": NumberAsWritten("30.0"), "v": "<same:v>"})
    assert sent.value == (
        b'{"specversion":"1.0","id":"sent-a","source":"/cases","type":"io.milo.billing.BindProject.v1",'
        b'"authid":"alice","data":{"organization":"acme-q","project":"p1","n":30.0,"v":7}}'
    )
    assert sent.headers == (("content-type", b"application/cloudevents+json"),)
    assert (sent.topic, sent.key) == ("admin-commands", b"acme-q")
    assert sent.identity == (HOME, "sent-a", "/cases")


@pytest.mark.parametrize(
    ("type_", "topic", "full"),
    (
        ("ProjectChanged", "projects", "io.milo.billing.ProjectChanged.v1"),
        ("PaymentProfileChanged", "payment-profiles", "io.milo.billing.PaymentProfileChanged.v1"),
        ("Frobnicate", "admin-commands", "io.milo.billing.Frobnicate.v1"),
        ("com.example.X", "admin-commands", "com.example.X"),
        ("io.milo.billing.ProjectChanged.v2", "projects", "io.milo.billing.ProjectChanged.v2"),
    ),
)
def test_topic_and_type(type_: str, topic: str, full: str) -> None:
    sent = built(type=type_, data={})
    assert (sent.topic, sent.type) == (topic, full)
    assert built(type=type_, data={}, topic="projects").topic == "projects"


def test_binary_mode_puts_attributes_in_headers() -> None:
    more = {"correlationid": "k-9", "authid": None}
    sent = built(type="X", mode="binary", data={}, attributes=more, headers={"x-origin": "rm", "ce_source": None})
    assert dict(sent.headers) == {
        "content-type": b"application/json",
        "ce_specversion": b"1.0",
        "ce_id": b"sent-a",
        "ce_type": b"io.milo.billing.X.v1",
        "ce_correlationid": b"k-9",
        "x-origin": b"rm",
    }
    assert sent.value == b'{"organization":"acme-q"}'


def test_data_in_base64() -> None:
    sent = built(type="X", mode="base64", data={"project": "p1"}, attributes={"specversion": None})
    value = json.loads(sent.value or b"")
    assert b64decode(value.pop("data_base64")) == b'{"organization":"acme-q","project":"p1"}'
    assert value == {"id": "sent-a", "source": "/cases", "type": "io.milo.billing.X.v1", "authid": "alice"}
    assert sent.headers == (("content-type", b"application/cloudevents+json"),)


@pytest.mark.parametrize(
    ("written", "text"), ((42, "42"), (True, "true"), (NumberAsWritten("1.50"), "1.50"), ([], "[]"))
)
def test_attributes_that_are_no_text(written: Any, text: str) -> None:
    structured = built(type="X", data={}, attributes={"id": written})
    assert f'"id":{text},' in (structured.value or b"").decode()
    binary = built(type="X", mode="binary", data={}, attributes={"id": written})
    assert dict(binary.headers)["ce_id"] == text.encode()
    assert structured.id == binary.id == text


@pytest.mark.parametrize("kind", ("send", "raw"))
def test_headers_that_are_no_text(kind: str) -> None:
    members = {"type": "X", "data": {}} if kind == "send" else {"topic": "projects", "value_text": "x"}
    assert dict(built(kind, headers={"x": {"base64": "//8="}}, **members).headers)["x"] == b"\xff\xff"


def test_what_is_taken_away() -> None:
    attributes = {"id": None, "specversion": None, "type": None}
    headers = {"content-type": None}
    sent = built(type="X", data={"organization": "<none>"}, attributes=attributes, headers=headers, key=None)
    assert json.loads(sent.value or b"") == {"source": "/cases", "authid": "alice", "data": {}}
    assert (sent.headers, sent.key, sent.identity) == ((), None, None)


def test_an_organization_of_ones_own() -> None:
    assert built(type="X", data={"organization": "beta-q"}).key == b"beta-q"
    assert built(type="X", data={"organization": 42}).key == b"acme-q"
    assert built(type="X", data=[1]).value == built(type="X", data=[1]).value


def test_raw_records_are_sent_as_they_stand() -> None:
    text = built("raw", topic="projects", value_text='{"x":<repeat:[:2>', headers={"a": "b", "c": None})
    assert (text.value, text.key, text.headers) == (b'{"x":[[', b"acme-q", (("a", b"b"), ("c", None)))
    assert built("raw", topic="projects", value_base64="/w==", key="other").value == b"\xff"
    tombstone = built("raw", topic="projects", value=None, key=None)
    assert (tombstone.value, tombstone.key, tombstone.headers) == (None, None, ())
    assert built("raw", topic="projects", value_text="\ufeff{}").value == b"\xef\xbb\xbf{}"


def test_generated_ids_are_letters() -> None:
    names = list(islice(letters(), 1000))
    assert len(set(names)) == 1000
    assert all(name.isalpha() for name in names)


def test_the_marker_changes_nothing() -> None:
    marker = build_marker(HOME, "marker-q")
    data = json.loads(marker.value or b"")["data"]
    assert (marker.name, data["organization"], data["dryRun"]) == ("WithdrawClosure", HOME, True)
