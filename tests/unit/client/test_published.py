"""The client's messages against the published schemas: every example is read, and what is sent is accepted."""

import json
from typing import Any

import pytest

import whopays_client
from tests.support.contract_files import FOLDER, faults, published_schema
from tests.unit.client.test_models import shape
from whopays_client.commands import Command
from whopays_client.facts import Fact
from whopays_client.values import Part

FILES = sorted((FOLDER / "v1").glob("*.json"))
NAMES = [path.stem for path in FILES if path.stem != "asyncapi" and "Envelope" not in path.stem]


def ours(name: str) -> type[Part]:
    """Return the client's class of a message."""
    found: type[Part] = getattr(whopays_client, name)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_published_example_is_read(name: str) -> None:
    examples = published_schema(name)["examples"]
    assert examples
    for example in examples:
        if issubclass(ours(name), Command | Fact):
            message = ours(name).model_validate_json(json.dumps(example))
            assert faults(name, message.data()) == []
            assert ours(name).model_validate_json(json.dumps(message.data())) == message
        else:
            later = {**example, "laterMember": 1}
            assert ours(name).model_validate(later, extra="ignore") == ours(name).model_validate(example)


@pytest.mark.parametrize("name", NAMES)
def test_members_and_which_of_them_are_needed_are_those_that_are_published(name: str) -> None:
    published: Any = shape(published_schema(name))
    written: Any = shape(ours(name).model_json_schema(mode="serialization"))
    assert written.keys() == published.keys()
    needed = {member for member, (is_needed, _) in published.items() if is_needed}
    ours_needed = {member for member, (is_needed, _) in written.items() if is_needed}
    if issubclass(ours(name), Command | Fact):
        assert ours_needed == needed
    else:
        # What must be there to be read is always there.
        assert ours_needed <= needed
