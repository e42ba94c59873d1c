"""Generates the JSON Schema of a message's data, as read or as published, from its model."""

import re
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode
from pydantic_core import core_schema

from schemas.exporting.catalogue import Message
from schemas.exporting.rules import RULES
from schemas.exporting.telling import examples_of, meaning_of
from schemas.forms import Schema

DIALECT = "https://json-schema.org/draft/2020-12/schema"
WAY = "x-way"
"""The keyword that is `in` for what whopays reads and `out` for what it publishes."""
DEFINITIONS = "#/$defs/"
"""The prefix of a reference to one of a schema's own definitions."""

_Field = core_schema.ModelField | core_schema.DataclassField | core_schema.TypedDictField
_FIRST = ("title", "description", "type", "properties", "required", "additionalProperties")
_SNAKE = re.compile(r"`[a-z]+(_[a-z]+)+`")


def schema_of(message: Message) -> Schema:
    """Return the schema of a message's `data`, in the dialect of 2020-12."""
    mode: JsonSchemaMode = "validation" if message.is_read else "serialization"
    adapter: TypeAdapter[Any] = TypeAdapter(message.model)
    made = adapter.json_schema(by_alias=True, mode=mode, schema_generator=_Generator)
    definitions = made.pop("$defs", {})
    for schema in (made, *definitions.values()):
        _describe(schema)
    return document(
        message.name,
        is_read=message.is_read,
        **made,
        examples=examples_of(message.name),
        **_definitions(definitions),
    )


def document(name: str, *, is_read: bool, **said: Any) -> Schema:
    """Return a schema as a separate file."""
    head = {"$schema": DIALECT, "$id": f"urn:whopays:schema:v1:{name}", WAY: "in" if is_read else "out"}
    return head | in_order(said)


def in_order(schema: Schema) -> Schema:
    """Return the schema of an object with its keywords in reading order."""
    first = {word: schema[word] for word in _FIRST if word in schema}
    return first | schema


def _definitions(schemas: dict[str, Schema]) -> dict[str, dict[str, Schema]]:
    return {"$defs": {name: in_order(schema) for name, schema in schemas.items()}} if schemas else {}


class _Generator(GenerateJsonSchema):
    """Pydantic's generator with the contract's rules about absent and null members."""

    def field_is_required(self, field: _Field, total: bool) -> bool:
        """Published members are always present, except those that are left out when empty."""
        if self.mode == "serialization":
            return field.get("serialization_exclude_if") is None
        return super().field_is_required(field, total)

    def model_field_schema(self, schema: core_schema.ModelField) -> Schema:
        """When read, null counts as the absence of an optional member; when published, the member is left out."""
        return self._member(schema, super().model_field_schema(schema))

    def dataclass_field_schema(self, schema: core_schema.DataclassField) -> Schema:
        """Like a model's field."""
        return self._member(schema, super().dataclass_field_schema(schema))

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 (by its name in pydantic)
        """Members have no title other than their name."""
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> Schema:
        """Rules about several members apply when the model is read."""
        made = super().model_schema(schema)
        if self.mode == "validation":
            made |= RULES.get(schema["cls"].__name__, {})
        else:
            # Members may be added: subscribers ignore those that they do not know.
            made.pop("additionalProperties", None)
        return made

    def _member(self, field: _Field, made: Schema) -> Schema:
        made = dict(made)
        if made.get("default", ...) is None:
            del made["default"]
        alternatives = made.get("anyOf", [])
        if self.field_is_required(field, total=True):
            return made
        if self.mode == "validation":
            if {"type": "null"} in alternatives:
                return made
            default = {"default": made.pop("default")} if "default" in made else {}
            return {"anyOf": [made, {"type": "null"}], **default}
        made.pop("default", None)
        rest = [one for one in alternatives if one != {"type": "null"}]
        if len(rest) == 1:
            del made["anyOf"]
            made |= rest[0]
        return made


def _describe(schema: Schema) -> None:
    """Add the meanings of members to the schema of an object."""
    if "description" in schema:
        text = " ".join(schema["description"].split())
        schema["description"] = _SNAKE.sub(lambda found: _camel(found.group()), text)
    for member, said in schema.get("properties", {}).items():
        # This dialect allows keywords beside a reference; a description that is already there takes precedence.
        schema["properties"][member] = {"description": meaning_of(schema["title"], member), **said}
        for alternative in said.get("anyOf", ()):
            _describe(alternative)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
