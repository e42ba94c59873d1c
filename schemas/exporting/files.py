"""Every published file, by its path below `schemas/published/v1/`."""

import json
from functools import cache
from typing import Any

from schemas.exporting.asyncapi import asyncapi
from schemas.exporting.catalogue import MESSAGES
from schemas.exporting.envelopes import envelopes
from schemas.exporting.generating import schema_of
from schemas.forms import Schema

ASYNCAPI = "asyncapi.json"


@cache
def schemas() -> dict[str, Schema]:
    """Return the schema of every envelope and of every message's data, by name."""
    return envelopes() | {name: schema_of(message) for name, message in MESSAGES.items()}


def published_files() -> dict[str, str]:
    """Return the text of every file by its name."""
    made = schemas()
    return {f"{name}.json": written(schema) for name, schema in made.items()} | {ASYNCAPI: written(asyncapi(made))}


def written(value: Schema) -> str:
    """Return JSON for people: one member a line, and a list of scalars on one line, however long."""
    return _written(value, "") + "\n"


def _written(value: Any, indent: str) -> str:
    deeper = indent + "  "
    match value:
        case dict() if value:
            members = (f"{deeper}{json.dumps(name)}: {_written(said, deeper)}" for name, said in value.items())
            return "{\n" + ",\n".join(members) + f"\n{indent}}}"
        case list() if any(isinstance(item, dict | list) for item in value):
            return "[\n" + ",\n".join(deeper + _written(item, deeper) for item in value) + f"\n{indent}]"
        case _:
            return json.dumps(value, ensure_ascii=False)
