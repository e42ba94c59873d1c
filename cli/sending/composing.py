"""Composes a command or fact from options, a file, or both."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any

from cli.terminal.ending import Misused
from schemas.commands import COMMANDS
from schemas.envelope import SPECVERSION
from schemas.facts import Fact, PaymentProfileChanged, ProjectChanged
from schemas.instants import format_instant
from schemas.message_types import short_type, type_of
from schemas.scalars import Wire
from schemas.strict_json import NotStrictJson, read_object
from schemas.topics import Topic
from workers.exchange import Message

_NOT = {
    "array": 'not a list. Write it as JSON, such as \'["one", "two"]\'',
    "boolean": "neither true nor false",
    "integer": "not an integer",
    "null": "not null",
    "number": "not a number",
    "object": "not an object. Write it as JSON, such as '{\"member\": 1}', or member by member: MEMBER.NAME=VALUE",
}
"""The error message for a value that should be of a JSON type."""

FACTS: dict[str, tuple[type[Fact], Topic]] = {
    "ProjectChanged": (ProjectChanged, Topic.PROJECTS),
    "PaymentProfileChanged": (PaymentProfileChanged, Topic.PAYMENT_PROFILES),
}
"""Every fact and its topic, by the name in its `type`."""


def compose(
    name: str | None, content: Mapping[str, Any], members: Sequence[str], attributes: Mapping[str, str | None]
) -> Message:
    """Compose a message from the `content` of a file, overridden by `members` (`MEMBER=VALUE`) and `attributes`.

    `content` is the data, or a whole structured CloudEvent. Raises Misused for an unknown type, and for a value that is
    not JSON although its member is not text; nothing else is checked, because that is up to the service.
    """
    is_event = "specversion" in content
    event = dict(content) if is_event else {"data": dict(content)}
    if name is None and not is_event:
        raise Misused(f"Say what to send: whopays send TYPE ... with one of {', '.join(_names())}.")
    name = short_type(name or str(event.get("type", "")))
    model, topic = _kind(name)
    data = event.get("data")
    if members:
        data = dict(data) if isinstance(data, dict) else {}
        for member in members:
            _set_member(data, member, model)
    said = {attribute: value for attribute, value in attributes.items() if value is not None}
    defaults = {"specversion": SPECVERSION, "time": format_instant(datetime.now(UTC))}
    return Message(defaults | event | {"type": type_of(name)} | said | {"data": data}, topic)


def _kind(name: str) -> tuple[type[Wire], Topic]:
    if name in COMMANDS:
        return COMMANDS[name], Topic.ADMIN_COMMANDS
    if name in FACTS:
        return FACTS[name]
    similar = get_close_matches(name, _names())
    hint = f"Did you mean {similar[0]}?" if similar else f"Known are {', '.join(_names())}."
    raise Misused(f"{name!r} is no command or fact. {hint}")


def _names() -> list[str]:
    return [*COMMANDS, *FACTS]


def _set_member(data: dict[str, Any], member: str, model: type[Wire]) -> None:
    """Set `a.b=VALUE` in the data: as plain text if the schema has text there, else as JSON."""
    path, equals, text = member.partition("=")
    if not equals or not path:
        raise Misused(f"{member!r} is not MEMBER=VALUE.")
    kinds = _json_types(model, path.split("."))
    if "string" in kinds or not kinds:
        value = None if text == "null" and "null" in kinds else text
    else:
        value = _read(path, text, kinds)
    *parents, last = path.split(".")
    for parent in parents:
        inner = data.get(parent)
        data[parent] = inner = dict(inner) if isinstance(inner, dict) else {}
        data = inner
    data[last] = value


def _read(path: str, text: str, kinds: set[str]) -> Any:
    try:
        # Parsed as strictly as the service does, as the only member of an object.
        (value,) = read_object(f'{{"": {text}}}'.encode()).values()
    except (NotStrictJson, ValueError):
        (kind,) = sorted(kinds - {"null"}) or ["null"]
        raise Misused(f"{path}: {text} is {_NOT[kind]}") from None
    return value


def _json_types(model: type[Wire], path: Sequence[str]) -> set[str]:
    """Return the JSON types that a model's member may have; none for an unknown member."""
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    choices = [schema]
    for step in path:
        found = [choice.get("properties", {}).get(step) for choice in choices]
        choices = [choice for item in found if item for choice in _resolved(item, definitions)]
    return {choice["type"] for choice in choices if "type" in choice}


def _resolved(schema: dict[str, Any], definitions: dict[str, Any]) -> list[dict[str, Any]]:
    if "$ref" in schema:
        return _resolved(definitions[schema["$ref"].removeprefix("#/$defs/")], definitions)
    if "anyOf" in schema:
        return [found for choice in schema["anyOf"] for found in _resolved(choice, definitions)]
    return [schema]
