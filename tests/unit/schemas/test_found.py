"""What a dead letter says was found, and what to change (docs/contract.md section 6)."""

import json
import pickle
from base64 import b64encode, urlsafe_b64encode
from typing import Any

import pytest

from schemas.facts import ProjectChanged
from tests.unit.schemas.building import (
    BIND,
    PROJECT,
    Headers,
    attributes,
    binary,
    command,
    fact,
    record,
    refusal,
    structured,
)

WHOLE = attributes("BindProject", {}) | {"data": BIND}
JSON = json.dumps(WHOLE).encode()
SPLIT = json.dumps({"note": "ÿÿ>>>???"} | WHOLE, ensure_ascii=False).encode()
"""In base64 it has both of the letters that base64 for URLs writes in another way, before what it is known by."""


def _detail(value: object, headers: Headers = ()) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return refusal(lambda: command(record(raw, headers))).detail


def _prefixed(prefix: str) -> Headers:
    return tuple((f"{prefix}{name}", text.encode()) for name, text in attributes("BindProject", {}).items())


@pytest.mark.parametrize(
    ("changed", "said"),
    (
        ({"specversion": 1.0}, 'specversion is the number 1.0: send it as the text "1.0"'),
        ({"specversion": 1.5}, "specversion is the number 1.5"),
        ({"specversion": ["1.0"]}, "specversion is a list"),
        ({"specversion": {}}, "specversion is an object"),
        ({"specversion": "0.3"}, "specversion must be 1.0 and is '0.3'"),
        ({"specversion": ""}, "and is empty"),
        ({"specversion": "1.0\n"}, "and is followed by a line break"),
        ({"specversion": " 1.0"}, "and is surrounded by blanks"),
        ({"id": None}, "id must be 1 to 128 printable ASCII characters and is missing"),
        ({"id": 1.5}, "and is the number 1.5"),
        ({"id": ""}, "and is empty"),
        ({"id": "c-1\n"}, "and is followed by a line break"),
        ({"id": "k" * 129}, "and is 129 characters long"),
        ({"id": "caf\u00e9"}, "and is text with U+00E9 at character 4"),
        ({"id": "c\u200b1"}, "and is text with U+200B at character 2"),
        ({"source": None}, "source must be 1 to 256 characters and is missing"),
        ({"source": {}}, "and is an object"),
        ({"source": "s" * 300}, "and is 300 characters long"),
        ({"source": "/a\x1bb"}, "and is text with U+001B at character 3"),
        ({"type": "x\n"}, "type must be 1 to 256 characters and is followed by a line break"),
        ({"data": None}, "data must be an object and is missing"),
        ({"data": "acme"}, "data must be an object and is text"),
        ({"data": json.dumps(BIND)}, "data must be an object and is text that holds JSON: send the object itself"),
        ({"data": [BIND]}, "data must be an object and is a list"),
        ({"data": "\ufeff" + json.dumps(BIND)}, "is text that holds JSON: send the object itself"),
        ({"data": json.dumps(json.dumps(BIND))}, "is text that holds JSON: send the object itself"),
        ({"data": json.dumps([BIND])}, "is text that holds a JSON list"),
        ({"data": b64encode(JSON).decode()}, "is JSON in base64: send the object itself, or call it data_base64"),
        ({"data": ""}, "data must be an object and is empty"),
        ({"data": 7}, "data must be an object and is the number 7"),
        ({"data": None} | BIND, "data must be an object and is missing: its members stand beside the attributes"),
        ({"data": {"Organization": "acme"}}, "data.organization is missing: it is spelled Organization"),
        ({"data": {"org_id": "acme"}}, "data.organization is missing: it is spelled org_id"),
        ({"data": {"payload": BIND}}, "data.organization is missing: organization stands at /data/payload"),
        ({"specversion": '"1.0"'}, "and is in quotation marks"),
        ({"id": "'c-1\n'"}, "and is in quotation marks"),
        ({"data": BIND | {"organization": "acme\n"}}, "and is followed by a line break"),
        ({"data": BIND | {"organization": "Acme"}}, "and is text with other characters"),
        ({"data": BIND | {"organization": 7}}, "and is the number 7"),
        ({"data": BIND | {"organization": "x" * 254}}, "and is 254 characters long"),
        ({"data": BIND | {"organization": None}}, "and is missing"),
        ({"data": {"project": "p1"}, "organization": "acme"}, "organization stands beside data, and belongs inside"),
    ),
)
def test_what_stands_in_the_place_of_what_is_needed(changed: dict[str, Any], said: str) -> None:
    assert said in _detail(WHOLE | changed)


@pytest.mark.parametrize("prefix", ("ce-", "Ce-", "CE_", "cloudEvents:", "cloudEvents_", ""))
def test_headers_of_another_binding_are_recognised(prefix: str) -> None:
    detail = _detail(BIND, _prefixed(prefix))
    assert (
        detail == f"specversion is in the header {prefix}specversion: over Kafka, CloudEvents calls it ce_specversion"
    )


@pytest.mark.parametrize(
    ("value", "said"),
    (
        ({"payload": WHOLE}, "the envelope stands at /payload, and must be the record's whole value"),
        ({"data": WHOLE}, "at /data,"),
        ({"schema": {"type": "struct"}, "payload": WHOLE}, "at /payload,"),
        ({"body": {"message": WHOLE}}, "at /body/message,"),
        ({"message": json.dumps(WHOLE)}, "at /message (as text),"),
        ({"message": json.dumps(json.dumps(WHOLE))}, "at /message (as text),"),
        ({"value": b64encode(JSON).decode()}, "at /value (in base64),"),
        ({"value": b64encode(SPLIT).decode()}, "at /value (in base64),"),
        ({"value": urlsafe_b64encode(SPLIT).decode()}, "at /value (in base64),"),
        ({"records": [{"key": "acme", "value": WHOLE}]}, "at /records/0/value,"),
        ({"payload": [WHOLE]}, "at /payload/0,"),
        ({"ce_specversion": "1.0", "ce_id": "x"}, "specversion is spelled ce_specversion"),
        ({"ce-specversion": "1.0"}, "specversion is spelled ce-specversion"),
        ({"cloudEventsVersion": "0.1"}, "specversion is spelled cloudEventsVersion"),
        ({"value": "ey!"}, "neither the value nor a header ce_specversion"),
        ({"value": "eyA"}, "neither the value nor a header ce_specversion"),
        ({"text": "it says specversion somewhere"}, "neither the value nor a header ce_specversion"),
        ({"specVersion": "1.0", "id": "x"}, "specversion is spelled specVersion"),
        ({"spec_version": "1.0"}, "specversion is spelled spec_version"),
        (BIND, "neither the value nor a header ce_specversion"),
        ({}, "neither the value nor a header ce_specversion"),
    ),
)
def test_an_envelope_that_stands_elsewhere_is_found(value: dict[str, Any], said: str) -> None:
    assert said in _detail(value)


@pytest.mark.parametrize("prefix", ("ce-", "CE-", "cloudEvents:", "cloudevent_", "ce."))
def test_headers_of_another_binding_without_a_version_are_seen(prefix: str) -> None:
    headers = tuple(header for header in _prefixed(prefix) if not header[0].endswith("specversion"))
    assert _detail(BIND, headers) == (
        f"specversion is missing, and there is a header {prefix}id: over Kafka, the prefix is ce_"
    )


def test_headers_without_a_version_are_seen() -> None:
    headers = tuple(header for header in _prefixed("ce_") if header[0] != "ce_specversion")
    assert _detail(BIND, headers) == "specversion is missing: there are headers ce_..., but no ce_specversion"


@pytest.mark.parametrize(
    ("raw", "said"),
    (
        (b"", "empty"),
        (b" \n\t", "blank"),
        (b"\xef\xbb\xbf" + json.dumps(WHOLE).encode(), "a byte order mark"),
        (json.dumps(WHOLE).encode("utf-16"), "UTF-16"),
        (json.dumps(WHOLE).encode("utf-16-le"), "UTF-16"),
        (json.dumps(WHOLE).encode("utf-16-be"), "UTF-16"),
        (b"\x00\x00\x00\x00\x07" + json.dumps(WHOLE).encode(), "five bytes of a schema registry"),
        (b"\x00\x00\x01\xe2\x40\x02\x08acme", "five bytes of a schema registry"),
        (b"\x00\x00\x00\x00\x07", "five bytes of a schema registry, and no message behind them"),
        (b"\x00" + bytes(7) + b"\x07" + JSON, "nine bytes of a schema registry stand before the message"),
        (b"\x01" + b"\x07" * 16 + JSON, "seventeen bytes of a schema registry"),
        (b"\x03\x00" + b"\x07" * 16 + JSON, "eighteen bytes of a schema registry"),
        (b"\x03\x05" + b"\x07" * 16 + b"x", "eighteen bytes of a schema registry"),
        (json.dumps(WHOLE).encode("utf-32"), "UTF-32"),
        (json.dumps(WHOLE).encode("utf-32-be"), "UTF-32"),
        (json.dumps(WHOLE).encode("utf-32-le"), "UTF-32"),
        (b"\xef\xbb\xbf", "a byte order mark"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"\x28\xb5\x2f\xfd\x04", "zstd"),
        (b"\x04\x22\x4d\x18\x64", "lz4"),
        (b"\x82SNAPPY\x00\x00", "snappy"),
        (b"Obj\x01\x04\x14avro.codec", "an Avro file"),
        (b"\xac\xed\x00\x05sr", "Java serialized"),
        (b"<?xml version='1.0'?><a/>", "XML"),
        (b"%7B%22specversion%22", "URL-encoded"),
        (b"b'{}'", "Python's notation"),
        (b"\x85\xabspecversion\xa31.0", "MessagePack"),
        (b"\xa5\x6bspecversion\x631.0", "CBOR"),
        (pickle.dumps(WHOLE), "a pickle of Python"),
        (b64encode(JSON), "JSON in base64: send the JSON itself"),
        (urlsafe_b64encode(JSON) + b"\n", "JSON in base64"),
        (JSON + b"\n" + JSON, "several JSON objects: send each as a separate record"),
        (JSON + b";", "something follows the JSON"),
        (JSON[:-1], "the JSON ends too early"),
        (JSON[:-2], "the JSON ends too early"),
        (b'{"a":', "the JSON ends too early"),
        (b"{", "the JSON ends too early"),
        (str(WHOLE).encode(), "double quotes, not single ones"),
        (b'{"a": True}', "true, false and null, in small letters"),
        (b'{"a": None}', "true, false and null, in small letters"),
        (b'{"a": undefined}', "no undefined"),
        (b'// a comment\n{"a": 1}', "no comments"),
        (b'{"a": 1, /* b */ "b": 2}', "no comments"),
        (b"{a: 1}", "the name of a member must stand here, in double quotes"),
        (b'{"a" 1}', "a colon must stand here"),
        (b'{"a": 1 "b": 2}', "a comma, or the end of the object or list, must stand here"),
        (b'{"a": .5}', "a value must stand here"),
        (b'{"a": "\\x"}', "a backslash in a string must begin an escape"),
        (b'{"a": "\n"}', "a control character in a string must be escaped"),
        (json.dumps(json.dumps(WHOLE)).encode(), "text that holds JSON: it was encoded twice"),
        (json.dumps([WHOLE]).encode(), "not a JSON object but a list of CloudEvents: send each as a separate record"),
        (json.dumps([BIND]).encode(), "not a JSON object but a list"),
        (b"null", "not a JSON object but null"),
        (b"7", "not a JSON object but a number"),
        (b"true", "not a JSON object but true or false"),
        (b'"x"', "not a JSON object but text"),
        (b"hello", "not JSON at line 1, column 1"),
        (b"\xff", "not UTF-8 at byte 0"),
    ),
)
def test_bytes_of_well_known_serializers_are_named(raw: bytes, said: str) -> None:
    for headers in ((), _prefixed("ce_")):
        detail = _detail(raw, headers)
        assert said in detail
        assert "Expecting" not in detail


@pytest.mark.parametrize("mode", (structured, binary))
def test_data_of_a_fact(mode: Any) -> None:
    assert refusal(lambda: fact(mode("ProjectChanged", PROJECT | {"project": "p1\n"}), ProjectChanged)).detail == (
        "/project: must be 1 to 253 characters a-z, 0-9, '.' or '-', beginning and ending with a letter or digit, "
        "without a line break"
    )
    said = structured("ProjectChanged", json.dumps(PROJECT))
    assert "send the object itself" in refusal(lambda: fact(said, ProjectChanged)).detail


@pytest.mark.parametrize(
    ("type_", "said"),
    (
        ("PaymentProfileChanged", "only, and this is PaymentProfileChanged: it belongs on payment-profiles"),
        ("BindProject", "only, and this is a command: it belongs on admin-commands"),
        ("com.example.projectchanged", "its type must be io.milo.billing.ProjectChanged.v1, in full"),
        ("io.milo.billing.ProjectChanged", "its type must be io.milo.billing.ProjectChanged.v1, in full"),
        ("com.example.Other", "this topic holds ProjectChanged only"),
    ),
)  # fmt: skip
def test_what_a_fact_topic_does_not_hold(type_: str, said: str) -> None:
    assert refusal(lambda: fact(structured(type_, PROJECT), ProjectChanged)).detail.endswith(said)


@pytest.mark.parametrize(
    ("name", "topic"), (("ProjectChanged", "projects"), ("PaymentProfileChanged", "payment-profiles"))
)
def test_a_fact_on_the_command_topic(name: str, topic: str) -> None:
    detail = refusal(lambda: command(structured(name, PROJECT))).detail
    assert detail == f"facts have topics of their own: {name} belongs on {topic}"


SECRET = "4111111111111111"


@pytest.mark.parametrize(
    "changed",
    ({"specversion": SECRET}, {"specversion": float(SECRET)}, {"id": SECRET + "\n"}, {"id": float(SECRET)},
     {"data": {"org-4111-1111-1111-1111": "acme"}},
     {"spec4111111111111111version": "1.0", "specversion": None},
     {"data": {SECRET: {"organization": "acme"}}},
     {"source": SECRET + "\n"}, {"type": {SECRET: SECRET}}, {"data": {"organization": SECRET + "\n"}}),
)  # fmt: skip
def test_nothing_is_quoted_that_may_be_a_secret(changed: dict[str, Any]) -> None:
    assert SECRET not in _detail(WHOLE | changed)
