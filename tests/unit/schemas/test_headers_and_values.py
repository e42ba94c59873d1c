"""Headers that are no text, values that are no JSON, and what of both a dead letter passes on."""

import json
from dataclasses import replace

import pytest

from schemas.envelope import Trail, trail_of
from schemas.facts import ProjectChanged
from schemas.records import DeadLetterReason, Record
from tests.unit.schemas.building import (
    BIND,
    MAX_VALUE_BYTES,
    PROJECT,
    Headers,
    attributes,
    binary,
    command,
    fact,
    faults,
    record,
    refusal,
    structured,
)

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def _binary_with(headers: Headers, *, without: str = "") -> Record:
    usual = binary("BindProject", BIND).headers
    kept = tuple(header for header in usual if header[0] != f"ce_{without}")
    return record(json.dumps(BIND).encode(), (*kept, *headers))


@pytest.mark.parametrize("name", ("id", "source", "type"))
@pytest.mark.parametrize("value", (None, b"", b"\xff\xfe", b"\xed\xa0\x80"))
def test_a_required_header_that_is_no_text(name: str, value: bytes | None) -> None:
    unanswerable = refusal(lambda: command(_binary_with(((f"ce_{name}", value),), without=name)))
    assert unanswerable.reason is DeadLetterReason.MISSING_ATTRIBUTE


@pytest.mark.parametrize("name", ("time", "correlationid", "traceparent"))
def test_an_optional_header_that_is_no_utf_8_is_ignored_and_one_without_value_absent(name: str) -> None:
    malformed = command(_binary_with(((f"ce_{name}", b"\xff"),), without=name))
    assert (malformed.violations, malformed.event.ignored) == ((), (name,))
    absent = command(_binary_with(((f"ce_{name}", None),), without=name))
    assert (absent.violations, absent.event.ignored) == ((), ())


def test_an_expiry_in_a_header_that_is_no_utf_8_is_malformed() -> None:
    for name in ("expirytime", "answer"):
        assert faults(command(_binary_with(((f"ce_{name}", b"\xff"),)))) == [name]
        assert command(_binary_with(((f"ce_{name}", None),))).violations == ()


def test_of_a_header_that_comes_twice_the_last_counts() -> None:
    message = command(_binary_with((("ce_id", b"c-2"), ("ce_authid", b"bob"))))
    assert (message.event.id, message.event.sender) == ("c-2", "bob")


def test_other_headers_do_not_matter() -> None:
    others: Headers = (("content-type", b"\xff"), ("CE_ID", b"x"), ("ce-id", b"y"), ("x", None), ("ce_", b"z"))
    message = command(_binary_with(others))
    assert (message.event.id, message.violations) == ("c-1", ())
    enveloped = structured("BindProject", BIND).value
    assert command(record(enveloped, others)).violations == ()


def test_no_value_is_a_tombstone() -> None:
    assert refusal(lambda: command(record(None))).reason is DeadLetterReason.TOMBSTONE
    assert (
        refusal(lambda: fact(record(None, binary("ProjectChanged", {}).headers), ProjectChanged)).reason == "Tombstone"
    )


def test_the_bound_of_a_value_is_in_bytes_and_inclusive() -> None:
    bare = structured("BindProject", BIND).value or b""
    fitting = bare + b" " * (MAX_VALUE_BYTES - len(bare))
    assert command(record(fitting)).violations == ()
    assert refusal(lambda: command(record(fitting + b" "))).reason is DeadLetterReason.TOO_LARGE
    # Too large comes first: what is too large is not read at all.
    assert refusal(lambda: command(record(b"\xff" * (MAX_VALUE_BYTES + 1)))).reason is DeadLetterReason.TOO_LARGE


@pytest.mark.parametrize(
    "value", (b"", b"[]", b"{", b"\xef\xbb\xbf{}", b'{"a":1,"a":2}', b'{"a":NaN}', rb'{"a":"\u0000"}')
)
@pytest.mark.parametrize("headers", ((), binary("BindProject", BIND).headers))
def test_what_is_no_strict_json_is_undecodable_in_both_modes(value: bytes, headers: Headers) -> None:
    assert refusal(lambda: command(record(value, headers))).reason is DeadLetterReason.UNDECODABLE
    assert refusal(lambda: fact(record(value, headers), ProjectChanged)).reason is DeadLetterReason.UNDECODABLE


def test_nesting_is_counted_from_the_envelope() -> None:
    def nested(levels: int) -> bytes:
        lists = "[" * levels + "]" * levels
        data = json.dumps(PROJECT)[:-1] + f',"x":{lists}}}'
        return json.dumps(attributes("ProjectChanged", {}))[:-1].encode() + f',"data":{data}}}'.encode()

    assert fact(record(nested(30)), ProjectChanged).fact.version == 1
    assert refusal(lambda: fact(record(nested(31)), ProjectChanged)).reason is DeadLetterReason.UNDECODABLE


def test_what_a_dead_letter_passes_on() -> None:
    said = {"correlationid": "order 12", "traceparent": TRACE}
    passed_on = Trail("c-1", said)
    for mode in (structured, binary):
        whole = mode("ProjectChanged", {"version": "x"}, **said)
        assert trail_of(whole, MAX_VALUE_BYTES) == passed_on
        malformed = mode("ProjectChanged", {}, id="k" * 129, correlationid="", traceparent="x", time="x")
        assert trail_of(malformed, MAX_VALUE_BYTES) == Trail(None, {}, ("correlationid", "traceparent", "time"))
        assert trail_of(mode("ProjectChanged", {}, specversion="0.3", **said), MAX_VALUE_BYTES) == passed_on
    for value in (b"{", b"", None, b"x" * (MAX_VALUE_BYTES + 1)):
        assert trail_of(replace(binary("ProjectChanged", {}, **said), value=value), MAX_VALUE_BYTES) == passed_on
    torn = (structured("ProjectChanged", {}, **said).value or b"")[:-1]
    assert trail_of(record(torn, (("content-type", b"application/cloudevents+json"),)), MAX_VALUE_BYTES) == Trail()
    assert trail_of(record(b"x", (("traceparent", TRACE.encode()),)), MAX_VALUE_BYTES) == Trail()
    headers = binary("ProjectChanged", PROJECT, specversion=None, **said).headers
    for data, passed in ((PROJECT, passed_on), (PROJECT | {"id": "other"}, Trail("other"))):
        assert trail_of(record(json.dumps(data).encode(), headers), MAX_VALUE_BYTES) == passed
    versioned = structured("ProjectChanged", PROJECT, id=None)
    assert trail_of(replace(versioned, headers=headers), MAX_VALUE_BYTES) == Trail()
    in_base64 = attributes("ProjectChanged", said | {"data_base64": "torn"})
    assert trail_of(record(json.dumps(in_base64).encode()), MAX_VALUE_BYTES) == passed_on
