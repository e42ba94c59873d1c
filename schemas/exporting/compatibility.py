"""Checks whether a newer contract breaks publishers or subscribers that rely on an older one.

What whopays reads may become more permissive, never stricter. What it publishes may gain members, but the existing ones
stay as they are: a subscriber may rely on every type and every enumerated value.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from schemas.exporting.generating import DEFINITIONS, WAY
from schemas.forms import Schema

_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains")
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains")
_COMPARED = frozenset({"type", "anyOf", "properties", "required", "items", "additionalProperties", "enum", "const"})
_WORDS_ONLY = frozenset(
    {"$schema", "$id", "$defs", "title", "description", "examples", "default", "x-way", "x-also-checked"}
)
_ANY = "any"

Documents = dict[str, Schema]


def documents_in(folder: Path) -> Documents:
    """Return the published files in a folder by name."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def breaks(old: Documents, new: Documents) -> list[str]:
    """Return, in words, every change that would break a publisher or a subscriber."""
    return [
        *(said for name in old if name != "asyncapi" for said in _of_file(name, old[name], new.get(name))),
        *_of_channels(old.get("asyncapi", {}), new.get("asyncapi", {})),
    ]


def _of_file(name: str, old: Schema, new: Schema | None) -> Iterator[str]:
    if new is None:
        yield f"{name}: is gone"
        return
    if old[WAY] != new[WAY]:
        yield f"{name}: was {old[WAY]} and is {new[WAY]}"
        return
    yield from _Comparison(name, old, new).breaks()


class _Comparison:
    def __init__(self, name: str, old: Schema, new: Schema) -> None:
        self._name = name
        self._old = old
        self._new = new
        self._is_read = old[WAY] == "in"
        self._compared: set[tuple[str, str]] = set()

    def breaks(self) -> Iterator[str]:
        for path, said in self._node((), self._old, self._new):
            yield f"{self._name}{' ' if path else ''}{'.'.join(path)}: {said}"

    def _node(self, path: tuple[str, ...], old: Schema, new: Schema) -> Iterator[tuple[tuple[str, ...], str]]:
        if self._is_read and old.get("default") != new.get("default"):
            yield path, f"the default was {_json(old.get('default'))} and is {_json(new.get('default'))}"
        before, after = _kinds(self._old, old), _kinds(self._new, new)
        for kind in before:
            if kind in after:
                yield from self._alike(path, before[kind], after[kind])
            elif self._is_read:
                if _ANY not in after and not (kind == "integer" and "number" in after):
                    yield path, f"took {kind} and takes it no longer"
            else:
                yield path, f"was {kind} at times and never is any more"
        if not self._is_read:
            for kind in after.keys() - before.keys():
                yield path, f"may now be {kind}, which it never was"

    def _alike(self, path: tuple[str, ...], old: Schema, new: Schema) -> Iterator[tuple[tuple[str, ...], str]]:
        yield from ((path, said) for said in self._words(old, new))
        yield from ((path, said) for said in self._bounds(old, new))
        yield from ((path, said) for said in self._further(old, new))
        yield from self._members(path, old, new)
        if "items" in old:
            yield from self._node((*path, "[]"), old["items"], new.get("items", {}))
        elif self._is_read and "items" in new:
            yield path, "entries were of any form and have one now"

    def _words(self, old: Schema, new: Schema) -> Iterator[str]:
        before, after = _values(old), _values(new)
        if before is None:
            if after is not None and self._is_read:
                yield "took any value and takes only listed ones"
            return
        if after is None:
            if not self._is_read:
                yield "was one of listed values and may now be any"
            return
        gone = [value for value in before if value not in after]
        if gone:
            yield f"{'takes' if self._is_read else 'is'} no longer {', '.join(map(_json, gone))}"
        added = [value for value in after if value not in before]
        if added and not self._is_read:
            yield f"may now be {', '.join(map(_json, added))}, which subscribers do not know"

    def _bounds(self, old: Schema, new: Schema) -> Iterator[str]:
        for words, is_tighter in ((_UPPER, _below), (_LOWER, _above)):
            for word in words:
                before, after = old.get(word), new.get(word)
                narrower, wider = is_tighter(after, before), is_tighter(before, after)
                if narrower if self._is_read else wider:
                    yield f"{word} was {_json(before)} and is {_json(after)}"

    def _further(self, old: Schema, new: Schema) -> Iterator[str]:
        """Compare rules too complex to tell which is stricter: any difference counts as a break."""
        for word in sorted((old.keys() | new.keys()) - _COMPARED - _WORDS_ONLY - {*_UPPER, *_LOWER}):
            before, after = old.get(word), new.get(word)
            if before != after and (after if self._is_read else before) not in (None, False):
                yield f"{word} was {_json(before)} and is {_json(after)}"

    def _members(self, path: tuple[str, ...], old: Schema, new: Schema) -> Iterator[tuple[tuple[str, ...], str]]:
        before, after = old.get("properties", {}), new.get("properties", {})
        for name in before:
            if name not in after:
                yield (*path, name), "is no longer read" if self._is_read else "is no longer published"
            else:
                yield from self._node((*path, name), before[name], after[name])
        needed, still = set(old.get("required", ())), set(new.get("required", ()))
        for name in sorted(still - needed if self._is_read else needed - still):
            if self._is_read or name in after:
                yield (*path, name), "may no longer be left out" if self._is_read else "may now be left out"
        if self._is_read and new.get("additionalProperties") is False and old.get("additionalProperties") is not False:
            yield path, "took unknown members and refuses them"


def _kinds(document: Schema, schema: Schema) -> dict[str, Schema]:
    """Return the schemas of the JSON types that a schema accepts; objects of several kinds by their titles."""
    if "$ref" in schema:
        beside = {word: said for word, said in schema.items() if word not in ("$ref", *_WORDS_ONLY)}
        return _kinds(document, document["$defs"][schema["$ref"].removeprefix(DEFINITIONS)] | beside)
    if "anyOf" in schema:
        found: dict[str, Schema] = {}
        for alternative in schema["anyOf"]:
            for kind, said in _kinds(document, alternative).items():
                found[f"{kind} {said.get('title', '')}".strip() if kind in found else kind] = said
        return found
    if "type" in schema:
        types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    else:
        values = _values(schema)
        types = [_ANY] if values is None else sorted({_type_of(value) for value in values})
    return dict.fromkeys(types, schema)


def _values(schema: Schema) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _type_of(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "string"
        case int():
            return "integer"
        case _:
            return "number"


def _below(one: float | None, other: float | None) -> bool:
    return one is not None and (other is None or one < other)


def _above(one: float | None, other: float | None) -> bool:
    return one is not None and (other is None or one > other)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _of_channels(old: Schema, new: Schema) -> Iterator[str]:
    channels = new.get("channels", {})
    for name, channel in old.get("channels", {}).items():
        if name not in channels:
            yield f"topic {name}: is gone"
            continue
        for message in channel["messages"]:
            if message not in channels[name]["messages"]:
                yield f"topic {name}: {message} is no longer on it"
    for said, told in _TOLD_OF_MESSAGES.items():
        messages = new.get("components", {}).get("messages", {})
        for name, message in old.get("components", {}).get("messages", {}).items():
            if name in messages and told(message) != told(messages[name]):
                yield f"{name}: {said} was {_json(told(message))} and is {_json(told(messages[name]))}"


_TOLD_OF_MESSAGES: dict[str, Callable[[Schema], Any]] = {
    "its type": lambda message: message["name"],
    "its content type": lambda message: message["contentType"],
    "its record key": lambda message: message["bindings"]["kafka"]["key"]["description"],
    "what every record has": lambda message: message["payload"]["allOf"][1].get("required", []),
}
