"""The AsyncAPI document is valid: by the official meta-schema, by the official parser, and by what it says itself."""

import json
import subprocess
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from schemas.exporting.asyncapi import asyncapi
from schemas.exporting.catalogue import MESSAGES, Message
from schemas.exporting.files import schemas
from schemas.topics import INPUT_TOPICS, OUTPUT_TOPICS, TOPIC_PLANS
from tests.support.contract_files import FOLDER
from tests.support.properties import left_to_make_test
from tests.support.toolchains import needs, npm_packages

DOCUMENT = FOLDER / "v1" / "asyncapi.json"
WARNING = 1
"""The severity of what the parser warns of; what it calls an error has 0."""

of_each_message = pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    said: dict[str, Any] = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    return said


@pytest.fixture(scope="module")
def packages() -> Path:
    return npm_packages()


@needs("node", "npm")
def test_the_official_meta_schema_accepts_it(document: dict[str, Any], packages: Path) -> None:
    meta_schema = json.loads(packages.joinpath("node_modules/@asyncapi/specs/schemas/3.0.0.json").read_text("utf-8"))
    validator = jsonschema_rs.Draft7Validator(meta_schema)
    assert [f"{error.instance_path}: {error.message}" for error in validator.iter_errors(document)] == []
    assert not validator.is_valid(document | {"channels": {"x": {"address": 7}}})


@left_to_make_test
@needs("node", "npm")
def test_the_official_parser_accepts_it(packages: Path, tmp_path: Path) -> None:
    broken = tmp_path / "asyncapi.json"
    broken.write_text(DOCUMENT.read_text(encoding="utf-8").replace("#/channels/bindings", "#/channels/gone"), "utf-8")
    command = ["node", "parse-asyncapi.mjs", str(DOCUMENT), str(broken)]
    done = subprocess.run(command, cwd=packages, capture_output=True, text=True, timeout=240, check=True)
    ours, damaged = json.loads(done.stdout)
    assert ours["parsed"]
    assert [said for said in ours["diagnostics"] if said["severity"] <= WARNING] == []
    assert not damaged["parsed"]


@of_each_message
def test_the_whole_record_of_every_example_is_valid(message: Message, document: dict[str, Any]) -> None:
    told = document["components"]["messages"][message.name]
    validators = [
        jsonschema_rs.Draft7Validator(told[part] | {"components": document["components"]})
        for part in ("headers", "payload")
    ]
    assert told["examples"]
    for example in told["examples"]:
        for validator, part in zip(validators, ("headers", "payload"), strict=True):
            assert [error.message for error in validator.iter_errors(example[part])] == []
            assert not validator.is_valid({})


def test_every_topic_of_others_has_its_messages(document: dict[str, Any]) -> None:
    channels = document["channels"]
    assert set(channels) >= {*INPUT_TOPICS, *OUTPUT_TOPICS}
    assert {name for channel in channels.values() for name in channel["messages"]} == set(MESSAGES)
    actions = {said["channel"]["$ref"].rsplit("/", 1)[-1]: said["action"] for said in document["operations"].values()}
    assert actions == {topic: "receive" if topic in INPUT_TOPICS else "send" for topic in channels}


def test_topics_are_told_with_their_broker_settings(document: dict[str, Any]) -> None:
    for plan in TOPIC_PLANS:
        if plan.topic in document["channels"]:
            told = document["channels"][plan.topic]["bindings"]["kafka"].get("topicConfiguration", {})
            as_text = {name: value[0] if isinstance(value, list) else str(value) for name, value in told.items()}
            assert as_text == plan.settings


def test_it_is_made_of_the_published_schemas(document: dict[str, Any]) -> None:
    assert asyncapi(schemas()) == document
