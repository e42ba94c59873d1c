"""The CloudEvents envelope as it is read, in both modes (docs/contract.md sections 2 and 6)."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.facts import ProjectChanged
from schemas.records import DeadLetterReason, Record
from tests.unit.schemas.building import (
    BIND,
    PROJECT,
    RECORDED_AT,
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
MODES = pytest.mark.parametrize("mode", (structured, binary))


def _binary_with(headers: Headers, *, without: str = "") -> Record:
    usual = binary("BindProject", BIND).headers
    kept = tuple(header for header in usual if header[0] != f"ce_{without}")
    return record(json.dumps(BIND).encode(), (*kept, *headers))


@MODES
def test_what_is_said_is_read(mode: Any) -> None:
    said = {"time": "2027-01-31T12:00:00+01:00", "expirytime": "2027-02-01T00:00:00Z", "correlationid": "order 12"}
    event = command(mode("BindProject", BIND, traceparent=TRACE, subject="x", partitionkey="y", **said)).event
    assert (event.id, event.source, event.type) == ("c-1", "/tests", "io.milo.billing.BindProject.v1")
    assert event.time == datetime(2027, 1, 31, 11, tzinfo=UTC)
    assert event.expires == datetime(2027, 2, 1, tzinfo=UTC)
    assert event.sender == "alice"
    assert event.passed_on == {"correlationid": "order 12", "traceparent": TRACE}
    assert (event.faults, event.ignored) == ((), ())


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
@pytest.mark.parametrize("value", (1.0, 1.5, [], {}, ["1.0"], 1e300))
def test_required_attributes_are_texts(name: str, value: object) -> None:
    changed = attributes("BindProject", {}) | {name: value, "data": BIND}
    unanswerable = refusal(lambda: command(record(json.dumps(changed).encode())))
    assert unanswerable.reason is DeadLetterReason.MISSING_ATTRIBUTE
    assert name in unanswerable.detail


CANONICAL = (("42", "42"), ("-7", "-7"), ("0", "0"), ("true", "true"), ("false", "false"), ("9" * 60, "9" * 60))


@pytest.mark.parametrize(("written", "text"), CANONICAL)
@pytest.mark.parametrize("name", ("id", "source", "type", "authid", "correlationid"))
def test_a_number_or_truth_value_means_its_text(name: str, written: str, text: str) -> None:
    usual = json.dumps(attributes("BindProject", {}) | {name: "@", "data": BIND})
    event = command(record(usual.replace('"@"', written).encode())).event
    said = {"id": event.id, "source": event.source, "type": event.type, "authid": event.sender, **event.passed_on}
    assert said[name] == text
    assert event == command(binary("BindProject", BIND, **{name: text})).event


@pytest.mark.parametrize("value", (1, True, 0))
def test_a_specversion_that_is_another_number_is_another_version(value: object) -> None:
    changed = attributes("BindProject", {}) | {"specversion": value, "data": BIND}
    unanswerable = refusal(lambda: command(record(json.dumps(changed).encode())))
    assert unanswerable.reason is DeadLetterReason.UNSUPPORTED_VERSION


NO_INSTANTS = (
    "",
    "yesterday",
    "2027-01-31",
    "2027-01-31T12:00:00",
    "2027-02-30T12:00:00Z",
    "2027-01-31T12:00:00+24:00",
)
ZEROS = f"00-{'0' * 32}-b7ad6b7169203331-01"
TOKEN = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmVk"
IGNORED: list[dict[str, str]] = [
    *({"time": text} for text in NO_INSTANTS),
    *({"correlationid": text} for text in ("", "k" * 513, "a\x1bb", "\ufffe", TOKEN, f"Bearer {TOKEN}", f"x.{TOKEN}")),
    *(
        {"traceparent": text}
        for text in ("", "none", "0" * 600, "00\n01", ZEROS, TRACE.upper(), TRACE + "-01", TRACE + "\n")
    ),
    *({"traceparent": TRACE.replace("00-", prefix, 1)} for prefix in ("ff-", "0-", "00_", "")),
    {"traceparent": TRACE.replace("b7ad6b7169203331", "0" * 16)},
    {"traceparent": TOKEN},
]


@MODES
@pytest.mark.parametrize("changed", IGNORED, ids=str)
def test_what_decides_nothing_costs_nothing(mode: Any, changed: dict[str, str]) -> None:
    message = command(mode("BindProject", BIND, **changed))
    assert (message.violations, message.event.ignored) == ((), tuple(changed))
    assert message.event.passed_on == {}
    assert message.event.time == RECORDED_AT
    assert message.fingerprint == command(mode("BindProject", BIND)).fingerprint
    of_fact = fact(mode("ProjectChanged", PROJECT, **changed), ProjectChanged)
    assert of_fact.event.ignored == tuple(changed)


@pytest.mark.parametrize(
    "text", ("a.b.c", "1.2.3", "order.12.7", "MTIz.x.y", "e.e.e", "k" * 512, " ", "caf\u00e9", "::")
)
def test_what_looks_odd_and_is_passed_on(text: str) -> None:
    event = command(structured("BindProject", BIND, correlationid=text)).event
    assert (event.passed_on, event.ignored) == ({"correlationid": text}, ())


@pytest.mark.parametrize(
    "trace", (TRACE, TRACE[:-2] + "00", TRACE.replace("00-", "cc-", 1), TRACE.replace("00-", "01-", 1) + "-x")
)
def test_traces_of_this_and_of_later_versions(trace: str) -> None:
    assert command(structured("BindProject", BIND, traceparent=trace)).event.passed_on == {"traceparent": trace}


@pytest.mark.parametrize("name", ("time", "correlationid", "traceparent"))
@pytest.mark.parametrize("value", (1.5, ["x"], {"x": 1}, [], {}))
def test_an_ignorable_attribute_of_another_type_is_ignored(name: str, value: object) -> None:
    message = command(structured("BindProject", BIND, **{name: value}))
    assert (message.violations, message.event.ignored) == ((), (name,))


@MODES
@pytest.mark.parametrize("text", NO_INSTANTS)
def test_an_expiry_that_nobody_can_read_refuses_a_command_and_no_fact(mode: Any, text: str) -> None:
    message = command(mode("BindProject", BIND, expirytime=text))
    assert (faults(message), message.command) == (["expirytime"], None)
    of_fact = fact(mode("ProjectChanged", PROJECT, expirytime=text), ProjectChanged)
    assert of_fact.event.ignored == ("expirytime",)


@pytest.mark.parametrize("value", (7, 1.5, True, ["x"], {"x": 1}))
def test_an_expiry_of_another_type_refuses_a_command(value: object) -> None:
    assert faults(command(structured("BindProject", BIND, expirytime=value))) == ["expirytime"]
    assert fact(structured("ProjectChanged", PROJECT, expirytime=value), ProjectChanged).event.ignored == (
        "expirytime",
    )


def test_all_faults_are_named() -> None:
    faulty = {"time": "x", "expirytime": "y", "correlationid": "", "traceparent": "\x1b", "answer": "please"}
    message = command(structured("BindProject", BIND | {"colour": "red"}, **faulty))
    assert sorted(faults(message)[:-1]) == ["answer", "expirytime"]
    assert message.violations[-1].field == "/colour"
    assert sorted(message.event.ignored) == ["correlationid", "time", "traceparent"]


@MODES
def test_a_trace_in_a_plain_header_is_one(mode: Any) -> None:
    def traced(text: bytes | None, **said: Any) -> Any:
        usual = mode("BindProject", BIND, **said)
        return command(replace(usual, headers=(*usual.headers, ("traceparent", text)))).event

    other = TRACE.replace("b7", "c7")
    assert traced(TRACE.encode()).passed_on == {"traceparent": TRACE}
    assert traced(TRACE.encode(), traceparent=other).passed_on == {"traceparent": other}
    assert traced(TRACE.encode(), traceparent="none").passed_on == {}
    assert traced(None).ignored == ()
    for malformed in (b"gibberish", b"\xff", b""):
        assert (traced(malformed).passed_on, traced(malformed).ignored) == ({}, ("traceparent",))


def test_null_is_absence_of_an_optional_attribute() -> None:
    value = attributes("BindProject", {}) | {"time": None, "expirytime": None, "correlationid": None, "data": BIND}
    assert command(record(json.dumps(value).encode())).violations == ()
