"""The CloudEvents envelope as it is read, in both modes (docs/contract.md sections 2 and 6)."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.facts import ProjectChanged
from schemas.parsing import CommandMessage
from schemas.records import DeadLetterReason, Record
from schemas.results import Reason
from tests.unit.schemas.building import (
    BIND,
    MAX_VALUE_BYTES,
    PROJECT,
    RECORDED_AT,
    Headers,
    attributes,
    binary,
    command,
    fact,
    record,
    refusal,
    structured,
)

MODES = pytest.mark.parametrize("mode", (structured, binary))


def _binary_with(headers: Headers, *, without: str = "") -> Record:
    usual = binary("BindProject", BIND).headers
    kept = tuple(header for header in usual if header[0] != f"ce_{without}")
    return record(json.dumps(BIND).encode(), (*kept, *headers))


def _faults(message: CommandMessage) -> list[str]:
    assert {violation.reason for violation in message.violations} <= {Reason.INVALID}
    return [violation.message.partition(" ")[0] for violation in message.violations]


@MODES
def test_what_is_said_is_read(mode: Any) -> None:
    said = {"time": "2027-01-31T12:00:00+01:00", "expirytime": "2027-02-01T00:00:00Z", "correlationid": "order 12"}
    event = command(mode("BindProject", BIND, traceparent="00-0af7", subject="x", partitionkey="y", **said)).event
    assert (event.id, event.source, event.type) == ("c-1", "/tests", "io.milo.billing.BindProject.v1")
    assert event.time == datetime(2027, 1, 31, 11, tzinfo=UTC)
    assert event.expires == datetime(2027, 2, 1, tzinfo=UTC)
    assert event.sender == "alice"
    assert event.passed_on == {"correlationid": "order 12", "traceparent": "00-0af7"}
    assert event.faults == ()


@MODES
def test_what_is_not_said_is_absent(mode: Any) -> None:
    event = command(mode("BindProject", BIND, authid=None)).event
    assert (event.time, event.expires, event.sender, event.passed_on) == (RECORDED_AT, None, None, {})


def test_both_modes_say_the_same() -> None:
    one, other = command(structured("BindProject", BIND)), command(binary("BindProject", BIND))
    assert (one.event, one.command, one.fingerprint) == (other.event, other.command, other.fingerprint)


# What makes a command unanswerable, in either mode.
UNANSWERABLE: list[tuple[str, dict[str, Any], DeadLetterReason]] = [
    ("no specversion", {"specversion": None}, DeadLetterReason.MISSING_ATTRIBUTE),
    ("an old specversion", {"specversion": "0.3"}, DeadLetterReason.UNSUPPORTED_VERSION),
    ("a longer specversion", {"specversion": "1.0.0"}, DeadLetterReason.UNSUPPORTED_VERSION),
    ("an empty specversion", {"specversion": ""}, DeadLetterReason.UNSUPPORTED_VERSION),
    ("a specversion with a blank", {"specversion": "1.0 "}, DeadLetterReason.UNSUPPORTED_VERSION),
    ("no id", {"id": None}, DeadLetterReason.MISSING_ATTRIBUTE),
    ("an empty id", {"id": ""}, DeadLetterReason.MISSING_ATTRIBUTE),
    ("a long id", {"id": "k" * 129}, DeadLetterReason.MISSING_ATTRIBUTE),
    ("an id beyond ASCII", {"id": "caf\u00e9"}, DeadLetterReason.MISSING_ATTRIBUTE),
    ("an id with a line break", {"id": "c-1\n"}, DeadLetterReason.MISSING_ATTRIBUTE),
    ("an id with DEL", {"id": "c\x7f"}, DeadLetterReason.MISSING_ATTRIBUTE),
    ("no source", {"source": None}, DeadLetterReason.MISSING_ATTRIBUTE),
    ("an empty source", {"source": ""}, DeadLetterReason.MISSING_ATTRIBUTE),
    ("a long source", {"source": "s" * 257}, DeadLetterReason.MISSING_ATTRIBUTE),
    ("a source with a control character", {"source": "/a\x1bb"}, DeadLetterReason.MISSING_ATTRIBUTE),
    ("no type", {"type": None}, DeadLetterReason.MISSING_ATTRIBUTE),
    ("an empty type", {"type": ""}, DeadLetterReason.MISSING_ATTRIBUTE),
    ("a long type", {"type": "t" * 257}, DeadLetterReason.MISSING_ATTRIBUTE),
]


@MODES
@pytest.mark.parametrize(
    ("changed", "reason"), [case[1:] for case in UNANSWERABLE], ids=[case[0] for case in UNANSWERABLE]
)
def test_required_attributes(mode: Any, changed: dict[str, Any], reason: DeadLetterReason) -> None:
    said = attributes("BindProject", {})
    kept = {name: changed.get(name, text) for name, text in said.items()}
    name = kept.pop("type") or ""
    if mode is structured:
        value = {key: text for key, text in {**kept, "type": name or None}.items() if text is not None}
        if changed.get("type") == "":
            value["type"] = ""
        read = record(json.dumps(value | {"data": BIND}).encode())
    else:
        headers = {key: text for key, text in {**kept, "type": name}.items() if text is not None}
        if changed.get("type", "said") is None:
            del headers["type"]
        # Without specversion in a header a record is read as structured, where its data is no envelope either.
        read = record(json.dumps(BIND).encode(), tuple((f"ce_{key}", text.encode()) for key, text in headers.items()))
    assert refusal(lambda: command(read)).reason is reason


@MODES
@pytest.mark.parametrize(
    "changed",
    (
        {"id": "k" * 128},
        {"id": " "},
        {"id": "~!\"'{}"},
        {"source": "s" * 256},
        {"source": "caf\u00e9 \U0001f4b3"},
        {"source": "x"},
    ),
)
def test_required_attributes_at_their_bounds(mode: Any, changed: dict[str, str]) -> None:
    event = command(mode("BindProject", BIND, **changed)).event
    assert (event.id, event.source) == (changed.get("id", "c-1"), changed.get("source", "/tests"))


@pytest.mark.parametrize("name", ("specversion", "id", "source", "type"))
@pytest.mark.parametrize("value", (1, 1.0, True, [], {}, ["1.0"]))
def test_required_attributes_are_texts(name: str, value: object) -> None:
    changed = attributes("BindProject", {}) | {name: value, "data": BIND}
    unanswerable = refusal(lambda: command(record(json.dumps(changed).encode())))
    assert unanswerable.reason is DeadLetterReason.MISSING_ATTRIBUTE
    assert name in unanswerable.detail


FAULTY: list[dict[str, str]] = [
    *({"time": text} for text in ("", "yesterday", "2027-01-31", "2027-01-31T12:00:00", "2027-02-30T12:00:00Z")),
    *({"expirytime": text} for text in ("", "never", "2027-01-31T12:00:00", "2027-01-31T12:00:00+24:00")),
    {"correlationid": ""},
    {"correlationid": "k" * 513},
    {"traceparent": "00\n01"},
]


@MODES
@pytest.mark.parametrize("changed", FAULTY)
def test_a_malformed_optional_attribute_is_answered(mode: Any, changed: dict[str, str]) -> None:
    message = command(mode("BindProject", BIND, **changed))
    assert _faults(message) == list(changed)
    assert message.command is None
    assert set(message.event.passed_on) == set()


@pytest.mark.parametrize("name", ("time", "expirytime", "answer", "correlationid", "traceparent"))
@pytest.mark.parametrize("value", (0, 1.5, True, ["x"], {"x": 1}))
def test_optional_attributes_are_texts(name: str, value: object) -> None:
    assert _faults(command(structured("BindProject", BIND, **{name: value}))) == [name]


def test_all_faults_are_named() -> None:
    faulty = {"time": "x", "expirytime": "y", "correlationid": "", "traceparent": "\x1b", "answer": "please"}
    message = command(structured("BindProject", BIND | {"colour": "red"}, **faulty))
    assert sorted(_faults(message)[:-1]) == sorted(faulty)
    assert message.violations[-1].field == "/colour"


def test_null_is_absence_of_an_optional_attribute() -> None:
    value = attributes("BindProject", {}) | {"time": None, "expirytime": None, "correlationid": None, "data": BIND}
    assert command(record(json.dumps(value).encode())).violations == ()


@MODES
def test_a_malformed_attribute_of_a_fact_is_a_dead_letter(mode: Any) -> None:
    for changed in FAULTY:
        unanswerable = refusal(lambda changed=changed: fact(mode("ProjectChanged", PROJECT, **changed), ProjectChanged))  # type: ignore[misc]
        assert unanswerable.reason is DeadLetterReason.MISSING_ATTRIBUTE


NOBODY = ("", " ", "ann ", "\u3000ann", "an\u200bn", "ann\u3164", "al\x01ice", "a" * 257)


@MODES
@pytest.mark.parametrize("authid", (None, *NOBODY))
def test_nobody_asks_under_a_name_that_is_none(mode: Any, authid: str | None) -> None:
    message = command(mode("BindProject", BIND, authid=authid))
    assert (message.event.sender, message.violations) == (None, ())


@MODES
@pytest.mark.parametrize("authid", ("Ann Lee", "auth0|5f7c", "李"))
def test_who_asks_is_kept_as_it_was_written(mode: Any, authid: str) -> None:
    assert command(mode("BindProject", BIND, authid=authid)).event.sender == authid


@MODES
@pytest.mark.parametrize(("answer", "asks"), ((None, False), ("again", True)))
def test_whether_the_result_is_asked_for_again(mode: Any, answer: str | None, asks: bool) -> None:
    message = command(mode("BindProject", BIND, answer=answer))
    assert (message.asks_again, message.violations) == (asks, ())


@MODES
@pytest.mark.parametrize("answer", ("", "Again", "again ", "once more", "true"))
def test_another_wish_is_none(mode: Any, answer: str) -> None:
    message = command(mode("BindProject", BIND, answer=answer))
    assert (message.asks_again, _faults(message), message.command) == (False, ["answer"], None)


@MODES
def test_a_fact_answers_nobody(mode: Any) -> None:
    assert fact(mode("ProjectChanged", PROJECT, answer="never"), ProjectChanged).fact.version == 1


@MODES
@pytest.mark.parametrize("authid", (None, *NOBODY))
def test_who_reports_a_fact(mode: Any, authid: str | None) -> None:
    assert fact(mode("ProjectChanged", PROJECT, authid=authid), ProjectChanged).sender == "/tests"
    assert fact(mode("ProjectChanged", PROJECT, authid="system:sync"), ProjectChanged).sender == "system:sync"


def test_specversion_in_a_header_makes_it_binary_whatever_the_value_says() -> None:
    inner = attributes("SuspendAccount", {}) | {"data": BIND}
    both = record(json.dumps(inner | BIND).encode(), binary("BindProject", BIND).headers)
    message = command(both)
    assert message.event.type == "io.milo.billing.BindProject.v1"
    assert {violation.field for violation in message.violations} == {f"/{name}" for name in inner}


@pytest.mark.parametrize("value", (None, b"\xff"))
def test_a_specversion_header_that_is_no_text_is_missing_and_still_binary(value: bytes | None) -> None:
    enveloped = structured("BindProject", BIND).value
    unanswerable = refusal(lambda: command(record(enveloped, (("ce_specversion", value),))))
    assert (unanswerable.reason, unanswerable.detail) == (DeadLetterReason.MISSING_ATTRIBUTE, "specversion is missing")


@pytest.mark.parametrize("name", ("id", "source", "type"))
@pytest.mark.parametrize("value", (None, b"", b"\xff\xfe", b"\xed\xa0\x80"))
def test_a_required_header_that_is_no_text(name: str, value: bytes | None) -> None:
    unanswerable = refusal(lambda: command(_binary_with(((f"ce_{name}", value),), without=name)))
    assert unanswerable.reason is DeadLetterReason.MISSING_ATTRIBUTE


@pytest.mark.parametrize("name", ("time", "expirytime", "answer", "correlationid", "traceparent"))
def test_an_optional_header_that_is_no_utf_8_is_malformed_and_one_without_value_absent(name: str) -> None:
    assert _faults(command(_binary_with(((f"ce_{name}", b"\xff"),), without=name))) == [name]
    assert command(_binary_with(((f"ce_{name}", None),), without=name)).violations == ()


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


def test_levels_count_from_the_envelope() -> None:
    def nested(levels: int) -> bytes:
        lists = "[" * levels + "]" * levels
        data = json.dumps(PROJECT)[:-1] + f',"x":{lists}}}'
        return json.dumps(attributes("ProjectChanged", {}))[:-1].encode() + f',"data":{data}}}'.encode()

    assert fact(record(nested(30)), ProjectChanged).fact.version == 1
    assert refusal(lambda: fact(record(nested(31)), ProjectChanged)).reason is DeadLetterReason.UNDECODABLE
