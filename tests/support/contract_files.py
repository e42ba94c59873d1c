"""Messages against the published schemas: whatever a test sends and whopays accepts, and whatever whopays publishes."""

import json
import re
import unicodedata
from datetime import UTC, datetime
from functools import cache
from typing import Any

import jsonschema_rs
import orjson

from schemas.exporting.catalogue import MESSAGES, Message
from schemas.exporting.envelopes import PUBLISHED, READ, READ_BINARY
from schemas.facts import AnyFact, PaymentProfileChanged, ProjectChanged
from schemas.message_types import short_type
from schemas.modes import attributes_and_data, attributes_of
from schemas.parsing import CommandMessage, read_command, read_fact
from schemas.policy import OperatorPolicy
from schemas.records import DeadLetterReason, Headers, Record, Unanswerable
from schemas.results import Reason
from schemas.topics import INPUT_TOPICS, Topic
from tests.support.packages import ROOT

FOLDER = ROOT / "schemas" / "published"
_NO_LIMIT = 1 << 40
_FACTS: dict[Topic, type[AnyFact]] = {Topic.PROJECTS: ProjectChanged, Topic.PAYMENT_PROFILES: PaymentProfileChanged}

_UNTELLABLE = re.compile(
    "RFC 3339 instant|e-mail address|telephone number|BCP 47|another country|another account|less than netDays"
    "|/taxRegistrations/[0-9]+/number: |operator offers|valid integer"
)
"""The faults that JSON Schema cannot tell: docs/messages.md lists them, and the schemas under `x-also-checked`."""


@cache
def published_schema(name: str) -> dict[str, Any]:
    """Return a published schema by its name."""
    schema: dict[str, Any] = json.loads((FOLDER / "v1" / f"{name}.json").read_text(encoding="utf-8"))
    return schema


def faults(name: str, value: Any) -> list[str]:
    """Return what a published schema finds wrong with a value."""
    return [
        f"/{'/'.join(map(str, error.instance_path))}: {error.message}" for error in _validator(name).iter_errors(value)
    ]


def check_published(value: bytes | None) -> None:
    """Assert that a published record's value is as its schemas say, without a member that they do not name."""
    event = orjson.loads(value or b"")
    message = MESSAGES.get(short_type(event["type"]))
    assert message is not None, event["type"]
    wrong = faults(PUBLISHED, event) + faults(message.name, event["data"])
    assert wrong == [], f"{event['type']} {event['id']}: {wrong}"
    assert ("sequence" in event) == message.has_sequence, event["id"]


def check_sent(topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
    """Assert the same as `check_read` of what is about to be sent to a topic, with or without its prefix."""
    check_read(Record(topic, 0, 0, datetime.now(UTC), key, headers, value))


def check_read(record: Record) -> Message | None:
    """Assert that the schemas say of a record what whopays says, and return what it is, if that is accepted.

    What whopays accepts, they accept. What is malformed by whopays' word, they refuse, unless the fault is one that no
    schema can tell. A record of no input topic is passed over.
    """
    topic = next((topic for topic in INPUT_TOPICS if record.topic.endswith(topic)), None)
    if topic is None:
        return None
    try:
        if topic is Topic.ADMIN_COMMANDS:
            return _check_command(read_command(record, _NO_LIMIT, OperatorPolicy()))
        fact = read_fact(record, _FACTS[topic], _NO_LIMIT)
    except Unanswerable as refused:
        if refused.reason is DeadLetterReason.INVALID_FACT:
            _check_refused(record, _FACTS[topic].__name__, refused.detail.split("; "))
        return None
    # These two are ignored in facts, whatever they say.
    return _check_accepted(record, type(fact.fact).__name__, (*fact.event.ignored, "answer", "expirytime"))


def _check_command(command: CommandMessage) -> Message | None:
    name = short_type(command.event.type)
    if command.command is not None:
        return _check_accepted(command.record, name, command.event.ignored)
    # One without a field is about an attribute.
    invalid = [
        f"{said.field}: {said.message}"
        for said in command.violations
        if said.reason is Reason.INVALID and said.field is not None
    ]
    if command.known and invalid:
        _check_refused(command.record, name, invalid)
    return None


def _check_accepted(record: Record, name: str, ignored: tuple[str, ...]) -> Message:
    _, data = attributes_and_data(record, _NO_LIMIT)
    wrong = _faults_of_envelope(record, ignored) + faults(name, _composed(data))
    assert wrong == [], f"{name} is accepted by whopays: {wrong}"
    return MESSAGES[name]


def _check_refused(record: Record, name: str, said: list[str]) -> None:
    _, data = attributes_and_data(record, _NO_LIMIT)
    if not faults(name, _composed(data)):
        tellable = [fault for fault in said if not _UNTELLABLE.search(fault)]
        assert tellable == [], f"{name} is refused by whopays and accepted by its schema: {data}"


def _composed(said: Any) -> Any:
    """Return the same in NFC, in which whopays counts."""
    return json.loads(unicodedata.normalize("NFC", json.dumps(said, ensure_ascii=False)))


def _faults_of_envelope(record: Record, ignored: tuple[str, ...]) -> list[str]:
    """Return what is wrong with the envelope, save for the attributes that are left out because they are malformed."""
    unchecked = {*ignored, "authid"}
    value = json.loads(record.value or b"")
    _, is_binary = attributes_of(record.headers, value)
    if is_binary:
        left_out = {f"ce_{name}" for name in unchecked}
        headers = {name: text for name, text in record.headers if name.startswith("ce_") and name not in left_out}
        return faults(READ_BINARY, {name: text.decode() for name, text in headers.items() if text is not None})
    return faults(READ, {name: said for name, said in value.items() if name not in unchecked})


@cache
def _validator(name: str) -> jsonschema_rs.Draft202012Validator:
    schema = published_schema(name)
    closed = name != PUBLISHED and schema["x-way"] == "out"
    return jsonschema_rs.Draft202012Validator(_closed(schema) if closed else schema)


def _closed(schema: Any) -> Any:
    """Return a published schema whose objects have the members that it names, and no others."""
    match schema:
        case dict():
            inner = {word: said if word == "examples" else _closed(said) for word, said in schema.items()}
            return {"additionalProperties": False, **inner} if isinstance(schema.get("properties"), dict) else inner
        case list():
            return [_closed(item) for item in schema]
        case _:
            return schema
