"""Messages against the published schemas: whatever a test sends and whopays accepts, and whatever whopays publishes."""

import json
from collections.abc import Iterable
from functools import cache
from typing import Any

import jsonschema_rs
import orjson

from schemas.envelope import short_type
from schemas.exporting.catalogue import MESSAGES, Message
from schemas.exporting.envelopes import PUBLISHED, READ, READ_BINARY
from schemas.facts import AnyFact, PaymentProfileChanged, ProjectChanged
from schemas.modes import attributes_and_data, attributes_of
from schemas.parsing import read_command, read_fact
from schemas.policy import OperatorPolicy
from schemas.records import Record, Unanswerable
from schemas.topics import INPUT_TOPICS, Topic
from tests.support.packages import ROOT

FOLDER = ROOT / "schemas" / "published"
_NO_LIMIT = 1 << 40
_FACTS: dict[Topic, type[AnyFact]] = {Topic.PROJECTS: ProjectChanged, Topic.PAYMENT_PROFILES: PaymentProfileChanged}


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


def check_published(value: bytes) -> None:
    """Assert that a published record's value is as its schemas say, without a member that they do not name."""
    event = orjson.loads(value)
    message = MESSAGES.get(short_type(event["type"]))
    assert message is not None, event["type"]
    wrong = faults(PUBLISHED, event) + faults(message.name, event["data"])
    assert wrong == [], f"{event['type']} {event['id']}: {wrong}"
    assert ("sequence" in event) == message.has_sequence, event["id"]


def check_accepted(record: Record) -> Message | None:
    """Assert that a record's schemas accept it if whopays does; None where whopays refuses it, or its topic is none."""
    topic = next((topic for topic in INPUT_TOPICS if record.topic.endswith(topic)), None)
    accepted = None if topic is None else _accepted(record, topic)
    if accepted is None:
        return None
    message, ignored = accepted
    attributes, data = attributes_and_data(record, _NO_LIMIT)
    wrong = _faults_of_envelope(record, ignored) + faults(message.name, data)
    assert wrong == [], f"{message.name} {attributes.get('id')}: {wrong}"
    return message


def check_all_accepted(records: Iterable[Record]) -> None:
    """Assert the same of many records."""
    for record in records:
        check_accepted(record)


def _accepted(record: Record, topic: Topic) -> tuple[Message, tuple[str, ...]] | None:
    try:
        if topic is Topic.ADMIN_COMMANDS:
            command = read_command(record, _NO_LIMIT, OperatorPolicy())
            return (
                None if command.command is None else (MESSAGES[type(command.command).__name__], command.event.ignored)
            )
        fact = read_fact(record, _FACTS[topic], _NO_LIMIT)
        # Of a fact `expirytime` is ignored, also where it is malformed.
        return MESSAGES[type(fact.fact).__name__], (*fact.event.ignored, "expirytime")
    except Unanswerable:
        return None


def _faults_of_envelope(record: Record, ignored: tuple[str, ...]) -> list[str]:
    """Return what is wrong with the envelope, save for the attributes that are left out because they are malformed."""
    value = orjson.loads(record.value or b"")
    _, is_binary = attributes_of(record.headers, value)
    if is_binary:
        headers = {name: text.decode() for name, text in record.headers if text is not None and name.startswith("ce_")}
        return faults(
            READ_BINARY, {name: text for name, text in headers.items() if name[3:] not in (*ignored, "authid")}
        )
    return faults(READ, {name: said for name, said in value.items() if name not in (*ignored, "authid")})


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
