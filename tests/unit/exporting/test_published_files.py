"""The published files are made from the models, are valid, and leave out no message."""

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import orjson
import pytest

from schemas.events import Event
from schemas.exporting.asyncapi import example_event
from schemas.exporting.catalogue import MESSAGES, Message
from schemas.exporting.files import published_files
from schemas.exporting.page import PAGE, page
from schemas.exporting.telling import examples_of
from schemas.facts import Fact
from tests.support.contract_files import FOLDER, check_published, check_read, published_schema
from tests.support.packages import ROOT
from tests.unit.schemas.building import record

V1 = FOLDER / "v1"
SCHEMAS = sorted(path.stem for path in V1.glob("*.json") if path.stem != "asyncapi")
of_each_message = pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)


def test_the_files_are_what_make_contracts_makes() -> None:
    there = {path.name: path.read_text(encoding="utf-8") for path in V1.iterdir()}
    assert there == published_files(), "run make contracts"


def test_the_page_is_what_make_contracts_makes() -> None:
    assert (ROOT / PAGE).read_text(encoding="utf-8") == page(), "run make contracts"


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_valid(name: str) -> None:
    jsonschema_rs.meta.validate(published_schema(name))
    assert published_schema(name)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_every_message_is_published() -> None:
    modelled = {model.__name__ for base in (Event, Fact) for model in _leaves(base)}
    assert modelled <= MESSAGES.keys() <= set(SCHEMAS)


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_member_has_a_meaning(name: str) -> None:
    schema = published_schema(name)
    for each in (schema, *schema.get("$defs", {}).values()):
        assert all(said["description"] for said in each.get("properties", {}).values())


@of_each_message
def test_every_example_is_a_message(message: Message) -> None:
    assert examples_of(message.name)
    for data in examples_of(message.name):
        value = orjson.dumps(example_event(message, data))
        if message.is_read:
            assert check_read(record(value, topic=f"billing.{message.topic}")) is message
        else:
            check_published(value)


@of_each_message
def test_examples_show_every_member(message: Message) -> None:
    shown = {member for data in examples_of(message.name) for member in data}
    assert shown >= set(published_schema(message.name)["properties"]) - {"dryRun", "repeated", "projectCount"}


def _leaves(base: type[Any]) -> Iterator[type[Any]]:
    for model in base.__subclasses__():
        if model.__module__.startswith("schemas."):
            yield from _leaves(model) if model.__subclasses__() else [model]
