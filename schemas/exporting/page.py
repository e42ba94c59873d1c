"""The reference page about messages, generated from the schemas."""

import json
from collections.abc import Iterator
from typing import Any

from schemas.exporting.catalogue import MESSAGES, Message
from schemas.exporting.envelopes import envelopes
from schemas.exporting.files import schemas
from schemas.exporting.generating import DEFINITIONS, WAY
from schemas.exporting.parties import CHANNELS
from schemas.forms import (
    ALSO_CHECKED,
    DECIMAL,
    DISCOUNT_PERCENT,
    EMAIL,
    IDENTIFIER,
    INSTANT,
    LANGUAGE,
    PENALTY_PERCENT,
    PHONE,
    TEXT,
    Schema,
)

PAGE = "docs/messages.md"

_MOST_LISTED = 16
_FORMS = {
    "name": (IDENTIFIER,),
    "text": (TEXT,),
    "instant": (INSTANT,),
    "language tag": (LANGUAGE,),
    "e-mail address": (EMAIL,),
    "telephone number": (PHONE,),
    "decimal in a string": (DECIMAL, DISCOUNT_PERCENT, PENALTY_PERCENT),
}
_WORDS = {
    schema["pattern"]: words
    for words, forms in _FORMS.items()
    for form in forms
    for schema in (form.read, form.published)
    if "pattern" in schema
}

_HEAD = """# Messages

Everything that goes in and comes out, member by member. `make contracts` makes this page and the files in
`schemas/published/v1/` from the models that read and write the messages; a test fails where they differ.

- One JSON Schema (2020-12) for the `data` of each message, and one for each form of the envelope. `x-way` says whether
  whopays reads a message (`in`) or publishes it (`out`).
- [asyncapi.json](../schemas/published/v1/asyncapi.json): channels, keys, headers, who sends and who receives, whole
  examples. It stands alone, for AsyncAPI 3 tools.

Commands are closed: an unknown member is `Invalid` (of a fact it is ignored). What is published is open: members may be
added within v1, and are never removed, so ignore what you do not know. A *name* is 1 to 253 characters `a-z`, `0-9`,
`.` and `-`, beginning and ending with a letter or digit. An *instant* is RFC 3339 with an offset; published ones are in
UTC with six decimals. A *text* has at most 500 characters, and no control characters. For an optional member that is
read, `null` is its absence unless its meaning says otherwise.

## What the schemas cannot tell

A message that its schema refuses is refused by whopays. One that its schema accepts may still be refused for its shape:

- by the rules of JSON: no duplicate members, no NUL or lone surrogate in strings, at most 32 levels and 256 KiB in the
  whole value; an integer is written without a fraction (`2`, not `2.0`);
- where a text is longer than 500 code points once it is in NFC (a text that is shorter in NFC than as it was sent is
  accepted, though its schema refuses it);
- where something looks like a card number (13 to 19 digits that pass the Luhn check);
- where the operator offers fewer currencies, regions or kinds of payment profiles;
"""


def page() -> str:
    """Return the page."""
    made = schemas()
    lines = [_HEAD.rstrip("\n"), *_also_checked(made), "", "## Topics", "", *_topics()]
    lines += ["", "## The envelope", ""]
    for name in envelopes():
        lines += [f"### {name}", "", made[name]["description"], "", *_table(made[name], read=_is_read(made[name])), ""]
    for title, is_read in (("## What whopays reads", True), ("## What whopays publishes", False)):
        lines += [title, ""]
        for message in MESSAGES.values():
            if message.is_read is is_read:
                lines += _message(message, made[message.name])
        lines += _objects(made, is_read=is_read)
    return "\n".join(lines).rstrip("\n") + "\n"


def _is_read(schema: Schema) -> bool:
    return bool(schema[WAY] == "in")


def _topics() -> Iterator[str]:
    yield "| topic | messages | record key | sent by | received by |"
    yield "| --- | --- | --- | --- | --- |"
    for channel in CHANNELS:
        messages = channel.messages()
        names = ", ".join(f"[{message.name}](#{message.name.lower()})" for message in messages)
        keys = " or ".join(dict.fromkeys(_code(message.key) for message in messages))
        yield f"| `{channel.topic}` | {names} | {keys} | {channel.sent_by} | {channel.received_by} |"


def _message(message: Message, schema: Schema) -> list[str]:
    where = (
        f"{message.kind.with_article} on `{message.topic}`, `type` `{message.type}`, record key {_code(message.key)}"
    )
    if not message.is_read:
        where += f", `id` {_code(message.event_id)}, `subject` {_code(message.subject)}"
    where += ", with a `sequence`." if message.has_sequence else "."
    return [
        f"### {message.name}",
        "",
        schema["description"],
        "",
        f"{where} Schema: [{message.name}.json](../schemas/published/v1/{message.name}.json).",
        "",
        *_table(schema, read=message.is_read),
        "",
        *(line for example in schema["examples"] for line in ("```json", json.dumps(example), "```", "")),
    ]


def _objects(made: dict[str, Schema], *, is_read: bool) -> Iterator[str]:
    found = {
        name: schema
        for published in made.values()
        if _is_read(published) is is_read
        for name, schema in published.get("$defs", {}).items()
        if "properties" in schema
    }
    for name in sorted(found):
        yield from (f"### {_title(name, read=is_read)}", "", found[name].get("description", ""), "")
        yield from (*_table(found[name], read=is_read), "")


def _title(name: str, *, read: bool) -> str:
    return f"{name}, as it is read" if read else name


def _table(schema: Schema, *, read: bool) -> Iterator[str]:
    yield f"| member | form | {'needed' if read else 'always there'} | meaning |"
    yield "| --- | --- | --- | --- |"
    for name, said in schema["properties"].items():
        needed = "yes" if name in schema.get("required", ()) else ""
        form = _form(said, read=read)
        if "default" in said:
            form += f", default `{json.dumps(said['default'])}`"
        yield f"| `{name}` | {form} | {needed} | {said['description']} |"


def _form(said: Schema, *, read: bool) -> str:
    match said:
        case {"$ref": str(target)}:
            return _reference(target.removeprefix(DEFINITIONS), read=read)
        case {"anyOf": [*alternatives]}:
            told = [_form(one, read=read) for one in alternatives if not (read and one == {"type": "null"})]
            return " or ".join(told)
        case {"const": value}:
            return _code(json.dumps(value))
        case {"enum": [*values]}:
            return " or ".join(map(_code, values)) if len(values) <= _MOST_LISTED else f"one of {len(values)} codes"
        case {"type": "array", "items": items}:
            return "list of: " + _form(items, read=read)
        case {"type": "integer", **bounds}:
            return "integer" + _bounds(bounds)
        case {"type": "string", "pattern": str(pattern)} if pattern in _WORDS:
            return _WORDS[pattern]
        case {"title": str(title), "properties": dict(members)}:
            return f"object of {', '.join(map(_code, members))}" if title else "object"
        case {"type": [*types]}:
            return " or ".join("`null`" if one == "null" else one for one in types)
        case {"type": "null"}:
            return "`null`"
        case {"type": str(kind)}:
            return kind
        case _:
            return "any"


def _reference(name: str, *, read: bool) -> str:
    schema = next(made["$defs"][name] for made in schemas().values() if name in made.get("$defs", {}))
    if "properties" not in schema:
        return _form(schema, read=read)
    title = _title(name, read=read)
    return f"[{name}](#{title.lower().replace(',', '').replace(' ', '-')})"


def _bounds(said: dict[str, Any]) -> str:
    match said:
        case {"minimum": least, "maximum": most} if most < 2**31 - 1:
            return f", {least} to {most}"
        case {"minimum": least}:
            return f", {least} or more"
        case _:
            return ""


def _also_checked(made: dict[str, Schema]) -> list[str]:
    found: dict[str, None] = {}

    def look(schema: Any) -> None:
        if isinstance(schema, dict):
            if ALSO_CHECKED in schema:
                found[schema[ALSO_CHECKED]] = None
            for said in schema.values():
                look(said)
        elif isinstance(schema, list):
            for item in schema:
                look(item)

    look(list(made.values()))
    checked = ";\n".join(f"  - {words}" for words in found)
    return ["- by what stands under `x-also-checked` in the schemas:", f"{checked}."]


def _code(text: str) -> str:
    return f"`{text}`" if " " not in text else text
