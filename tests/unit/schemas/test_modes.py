"""Which mode a record is in, and where its data are (docs/contract.md section 2)."""

import json
from base64 import b64encode
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from schemas.records import REDRIVE_HEADER, DeadLetterReason, Record, Unanswerable
from tests.unit.schemas.building import BIND, Headers, attributes, binary, command, record, refusal, structured

STRUCTURED = ("application/cloudevents+json", "Application/CloudEvents", "application/cloudevents+json; charset=UTF-8")
OTHERS = (None, "application/json", "text/plain", "json; application/cloudevents", "")


def _named(content_type: str | None, headers: Headers) -> Headers:
    return headers if content_type is None else (*headers, ("content-type", content_type.encode()))


@pytest.mark.parametrize("content_type", STRUCTURED)
def test_what_is_called_structured_and_has_a_version_is(content_type: str) -> None:
    headers = binary("SuspendAccount", {}, id="other", specversion="0.3", authid="mallory").headers
    message = command(replace(structured("BindProject", BIND), headers=_named(content_type, headers)))
    assert message == replace(command(structured("BindProject", BIND)), record=message.record)


@pytest.mark.parametrize("content_type", STRUCTURED)
def test_what_is_called_structured_and_has_no_version_is_binary(content_type: str) -> None:
    bare = binary("BindProject", BIND)
    message = command(replace(bare, headers=_named(content_type, bare.headers)))
    assert (message.event, message.violations) == (command(bare).event, ())


@pytest.mark.parametrize("content_type", OTHERS)
@pytest.mark.parametrize("others", ((), (("ce_id", b"other"),), (("ce_source", b"/x"), ("ce_type", b"y"))))
def test_without_the_header_of_its_version_a_record_is_structured(content_type: str | None, others: Headers) -> None:
    message = command(replace(structured("BindProject", BIND), headers=_named(content_type, others)))
    assert (message.event, message.violations) == (command(structured("BindProject", BIND)).event, ())


@pytest.mark.parametrize("content_type", OTHERS)
@pytest.mark.parametrize("version", ("1.0", "0.3", 7))
def test_specversion_in_a_header_makes_it_binary_where_it_is_called_nothing_else(
    content_type: str | None, version: object
) -> None:
    data = BIND | {"specversion": version}
    message = command(record(json.dumps(data).encode(), _named(content_type, binary("BindProject", data).headers)))
    assert message.event.type == "io.milo.billing.BindProject.v1"
    assert [violation.field for violation in message.violations] == ["/specversion"]


@pytest.mark.parametrize("value", (None, b"\xff"))
def test_a_specversion_header_that_is_no_text_is_missing_and_still_binary(value: bytes | None) -> None:
    enveloped = structured("BindProject", BIND).value
    unanswerable = refusal(lambda: command(record(enveloped, (("ce_specversion", value),))))
    assert unanswerable.reason is DeadLetterReason.MISSING_ATTRIBUTE
    assert unanswerable.detail.startswith("specversion is")


@pytest.mark.parametrize(
    ("headers", "is_one"),
    (
        ((("x", b"0" * 32), (REDRIVE_HEADER, b"0" * 32)), True),
        ((("x", b"1" * 32), (REDRIVE_HEADER, b"0" * 31)), False),
        (((REDRIVE_HEADER, None), ("x", b"0" * 32)), False),
        ((), False),
    ),
)
def test_the_id_of_what_was_redriven_is_in_its_own_header(headers: Headers, is_one: bool) -> None:
    assert record(b"{}", headers).redrive_id == (UUID(int=0) if is_one else None)


def test_what_cannot_be_answered_says_why() -> None:
    assert str(Unanswerable(DeadLetterReason.TOMBSTONE, "no value")) == "Tombstone: no value"


def _in_base64(said: Any, **beside: Any) -> Record:
    encoded = said if isinstance(said, str) else b64encode(json.dumps(said).encode()).decode()
    return record(json.dumps(attributes("BindProject", {}) | {"data_base64": encoded} | beside).encode())


def test_data_in_base64_are_data() -> None:
    message = command(_in_base64(BIND))
    usual = command(structured("BindProject", BIND))
    assert replace(message, record=usual.record) == usual
    assert command(_in_base64(BIND, data=None)).event == usual.event
    assert (
        command(replace(_in_base64(BIND), value=(_in_base64(BIND).value or b"").replace(b"/", b"\\/"))).event
        == usual.event
    )
    escaped = (_in_base64(BIND).value or b"").replace(b"data_base64", rb"data\u005fbase64")
    assert command(record(escaped)).event == usual.event


NO_JSON = (b"{", b"[]", b"\xef\xbb\xbf{}", b'{"a":1,"a":2}', b'"{}"', b"[" * 40 + b"]" * 40, b"{}{}", b"")


@pytest.mark.parametrize("wrong", ("no base64", "e30", "e30=\n", "-_8=", *(b64encode(one).decode() for one in NO_JSON)))
def test_what_in_base64_is_no_strict_json_is_undecodable(wrong: str) -> None:
    unanswerable = refusal(lambda: command(_in_base64(wrong)))
    assert unanswerable.reason is DeadLetterReason.UNDECODABLE
    assert "data_base64" in unanswerable.detail


@pytest.mark.parametrize("wrong", (7, True, [], {}, 1.5))
def test_data_base64_is_text(wrong: object) -> None:
    changed = attributes("BindProject", {}) | {"data_base64": wrong}
    assert refusal(lambda: command(record(json.dumps(changed).encode()))).reason is DeadLetterReason.UNDECODABLE


def test_data_and_data_base64_exclude_each_other() -> None:
    for data in (BIND, {}, "", False):
        assert refusal(lambda data=data: command(_in_base64(BIND, data=data))).reason is DeadLetterReason.UNDECODABLE  # type: ignore[misc]
    assert command(binary("BindProject", BIND | {"data_base64": "e30="})).violations[0].field == "/data_base64"
