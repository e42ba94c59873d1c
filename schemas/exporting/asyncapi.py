"""The AsyncAPI document: channels, senders and receivers, keys, headers and the messages with their examples.

It is self-contained. Its schemas are the published ones, translated to draft 7, which AsyncAPI builds on.
"""

from importlib.metadata import version
from typing import Any

from schemas.envelope import SPECVERSION
from schemas.exporting.catalogue import MESSAGES, Kind, Message
from schemas.exporting.envelopes import PUBLISHED, READ
from schemas.exporting.generating import DEFINITIONS
from schemas.exporting.parties import CHANNELS, Channel
from schemas.exporting.telling import examples_of
from schemas.forms import Schema
from schemas.outgoing import CONTENT_TYPE, REPLAY_HEADER
from schemas.topics import Topic

_KAFKA = "0.5.0"
_STRUCTURED = CONTENT_TYPE.decode()
_INTEGERS = ("retention.ms", "retention.bytes", "delete.retention.ms", "max.message.bytes")
_PARAMETERS: Schema = {
    "prefix": {"default": "billing.", "description": "The prefix of every topic of the installation."}
}
_REPLAY: Schema = {"description": "The replay's name."}
_NOT_IN_COMPONENTS = ("$schema", "$id", "$defs", "examples")


def asyncapi(schemas: dict[str, Schema]) -> Schema:
    """Return the document; `schemas` are the schemas of the envelopes and of every message's data, by name."""
    return {
        "asyncapi": "3.0.0",
        "id": "urn:whopays:v1",
        "info": {
            "title": "whopays",
            "version": version("whopays"),
            "description": (
                "Who pays for this project? Commands and facts go in; changes of payers and accounts, notices, results "
                "and dead letters come out. Operations are told as whopays sees them: what it receives, others send."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": _STRUCTURED,
        "servers": {
            "kafka": {
                "host": "{bootstrap}",
                "protocol": "kafka",
                "description": "The Kafka cluster of the installation. Read with `isolation.level=read_committed`.",
                "variables": {"bootstrap": {"default": "localhost:9092", "description": "Host and port of a broker."}},
            }
        },
        "channels": {channel.name: _channel(channel) for channel in CHANNELS},
        "operations": {operation: said for channel in CHANNELS for operation, said in _operations(channel)},
        "components": {
            "messages": {name: _message(message) for name, message in MESSAGES.items()},
            "schemas": _components(schemas),
        },
    }


def _channel(channel: Channel) -> Schema:
    topic: Schema = {"topic": f"billing.{channel.topic}", "bindingVersion": _KAFKA}
    if channel.is_single_partition:
        topic["partitions"] = 1
    configuration = {
        name: [value] if name == "cleanup.policy" else int(value) if name in _INTEGERS else value
        for name, value in channel.settings.items()
    }
    if configuration:
        topic["topicConfiguration"] = configuration
    return {
        "address": "{prefix}" + channel.topic,
        "title": channel.topic,
        "description": f"{channel.description} Sent by {channel.sent_by}. Received by {channel.received_by}.",
        "parameters": _PARAMETERS | ({"name": _REPLAY} if "{name}" in channel.topic else {}),
        "messages": {message.name: {"$ref": f"#/components/messages/{message.name}"} for message in channel.messages()},
        "bindings": {"kafka": topic},
    }


def _operations(channel: Channel) -> list[tuple[str, Schema]]:
    said: Schema = {
        "action": "receive" if channel.is_read else "send",
        "channel": {"$ref": f"#/channels/{channel.name}"},
        "title": f"{'Receive from' if channel.is_read else 'Send to'} {channel.topic}",
        "description": f"Sent by {channel.sent_by}. Received by {channel.received_by}.",
        "messages": [{"$ref": f"#/channels/{channel.name}/messages/{message.name}"} for message in channel.messages()],
    }
    if channel.topic == Topic.ADMIN_COMMANDS:
        results = f"#/channels/{Topic.COMMAND_RESULTS}"
        said["reply"] = {"channel": {"$ref": results}, "messages": [{"$ref": f"{results}/messages/CommandCompleted"}]}
    return [(f"{'receive' if channel.is_read else 'send'}-{channel.name}", said)]


def _message(message: Message) -> Schema:
    envelope = READ if message.is_read else PUBLISHED
    data = {"$ref": f"#/components/schemas/{message.name}"}
    own: Schema = {"type": "object", "properties": {"type": {"const": message.type}, "data": data}}
    if message.has_sequence:
        own["required"] = ["sequence"]
    return {
        "name": message.type,
        "title": message.name,
        "summary": f"{message.kind.with_article}. Record key: {message.key}.",
        "contentType": _STRUCTURED,
        "headers": _headers(message),
        "payload": {"allOf": [{"$ref": f"#/components/schemas/{envelope}"}, own]},
        **({"correlationId": _correlation(message)} if message.kind in (Kind.COMMAND, Kind.RESULT) else {}),
        "bindings": {"kafka": {"key": _key(message), "bindingVersion": _KAFKA}},
        "examples": _examples(message),
    }


def _correlation(message: Message) -> Schema:
    if message.kind is Kind.COMMAND:
        return {"description": "The command's id.", "location": "$message.payload#/id"}
    return {
        "description": "The command's id; `data.commandSource` tells whose.",
        "location": "$message.payload#/data/commandId",
    }


def _key(message: Message) -> Schema:
    return {"type": "string", "description": f"{message.key}"}


def _headers(message: Message) -> Schema:
    properties: Schema = {
        "content-type": {"type": "string", "description": f"`{_STRUCTURED}`", "examples": [_STRUCTURED]},
        "traceparent": {"type": "string", "description": "The trace that the message belongs to, where it is known."},
    }
    if message.kind is Kind.COMMAND:
        properties["authorization"] = {
            "type": "string",
            "description": "`Bearer`, a blank and a token, where whopays checks tokens.",
        }
    if not message.is_read and message.kind is not Kind.MARKER:
        properties[REPLAY_HEADER] = {"type": "string", "description": "The replay's name, on replayed records only."}
    return {"type": "object", "properties": properties, "required": ["content-type"]}


def _examples(message: Message) -> list[Schema]:
    """Return the examples of a message as whole records, with headers and value."""
    return [
        {
            "name": f"{message.name}{number}",
            "headers": {"content-type": _STRUCTURED},
            "payload": example_event(message, data),
        }
        for number, data in enumerate(examples_of(message.name), 1)
    ]


def example_event(message: Message, data: dict[str, Any]) -> dict[str, Any]:
    """Return a whole event with this data."""
    if message.is_read:
        said = {"specversion": SPECVERSION, "id": "0d1c3a52-6b0e-4a3c-9a55-3f0d6c1b7a10", "source": "/portal"}
        asker = {"authid": "ada"} if message.kind is Kind.COMMAND else {}
        return said | {"type": message.type, "time": "2027-01-31T12:00:00Z"} | asker | {"data": data}
    names = {name: str(value) for name, value in data.items() if isinstance(value, str | int)}
    return {
        "specversion": SPECVERSION,
        "id": message.event_id.format_map({"shard": 17, "position": 4211} | names),
        "source": "/whopays/main",
        "type": message.type,
        "time": "2027-02-03T09:30:00.250000Z",
        "subject": message.subject.format_map(names),
        **({"sequence": f"{2:020d}"} if message.has_sequence else {}),
        "data": data,
    }


def _components(schemas: dict[str, Schema]) -> dict[str, Schema]:
    found: dict[str, Schema] = {}
    for name, schema in schemas.items():
        way = schema["x-way"]
        own = schema.get("$defs", {})
        # A model may be both read and published, in two forms.
        places = {inner: inner if way == "in" else f"Published{inner}" for inner in own}
        body = {word: said for word, said in schema.items() if word not in _NOT_IN_COMPONENTS}
        found[name] = _draft_7(body, places)
        found |= {places[inner]: _draft_7(said, places) for inner, said in own.items()}
    return found


def _draft_7(schema: Any, places: dict[str, str]) -> Any:
    """Return a schema whose references point to the components and have no siblings, as draft 7 requires."""
    match schema:
        case {"$ref": str(target), **rest}:
            reference = {"$ref": f"#/components/schemas/{places[target.removeprefix(DEFINITIONS)]}"}
            return {**rest, "allOf": [reference]} if rest else reference
        case dict():
            return {word: _draft_7(said, places) for word, said in schema.items()}
        case list():
            return [_draft_7(item, places) for item in schema]
        case _:
            return schema
