"""Descriptions and examples of messages: `meanings.json` and `examples.json`, by model and member."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

_EVERYWHERE = "everywhere"
_SAME_AS = {"PaymentTermsPatch": "PaymentTerms", "PreferencesPatch": "Preferences"}


def meaning_of(model: str, member: str) -> str:
    """Return the meaning of a member of a model, with its unit. Raise KeyError if none is given."""
    meanings = _read("meanings.json")
    said = meanings.get(_SAME_AS.get(model, model), {})
    return str(said[member] if member in said else meanings[_EVERYWHERE][member])


def examples_of(name: str) -> list[dict[str, Any]]:
    """Return examples of a message's data, which all tell one story: who pays for the project `genome` of `acme`."""
    examples: list[dict[str, Any]] = _read("examples.json")[name]
    return examples


@cache
def _read(name: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(files("schemas.exporting").joinpath(name).read_text("utf-8"))
    return said
