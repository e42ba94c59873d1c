"""Descriptions of what was found instead of what was expected: they say what to change, and quote nothing private."""

import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from typing import Any

from schemas.identifiers import IDENTIFIER_RULE, LONGEST_IDENTIFIER
from schemas.serializers import is_json_in_base64
from schemas.strict_json import LongNumber

# Shorter than any card number.
_SHOWN_NUMBER = 12
_SHOWN_TEXT = 12
_SHOWN_NAME = 40
_DEEPEST = 4
_PLAIN = re.compile(r"[\x21-\x7e]+")
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z_.:-]*")
_VERSION_HEADER = re.compile(r"[A-Za-z_.:-]{0,20}specversion", re.IGNORECASE)
_ATTRIBUTE_HEADER = re.compile(r"(?:ce|cloudevents?)[-_.:](?:id|source|type|time)", re.IGNORECASE)
_BLANKS = re.compile("[ _.:-]")
_VERSION_NAMES = frozenset({"specversion", "cespecversion", "cloudeventsversion", "cloudeventsspecversion"})
_ORGANIZATION_NAMES = frozenset(
    {"organization", "organisation", "org", "organizationid", "organisationid", "orgid", "organizationname", "orgname"}
)
_VERSION_IN_TEXT = re.compile(r"""\\?["']specversion\\?["']""")
_BYTE_ORDER_MARK = "\ufeff"
_MAX_SEARCHED = 5
"""How many items of a list are searched for an envelope."""


def found_instead(value: Any, *, longest: int | None = None, is_ascii: bool = False, quoted: bool = False) -> str:
    """Describe a value that should be text: of at most `longest` characters, and printable ASCII if `is_ascii`.

    With `quoted`, a short text is quoted.
    """
    match value:
        case None:
            return "missing"
        case bool():
            return "true" if value else "false"
        case LongNumber():
            return "a very long number"
        case int() | float():
            return f"the number {value}" if len(str(value)) <= _SHOWN_NUMBER else "a very long number"
        case bytes():
            return "not UTF-8"
        case str():
            return _found_text(value, longest, is_ascii=is_ascii, quoted=quoted)
        case list():
            return "a list"
        case _:
            return "an object"


def where_the_envelope_is(headers: Sequence[tuple[str, bytes | None]], value: Mapping[str, Any]) -> str:
    """Say where the envelope of a record without a `specversion` may be."""
    for name, _ in headers:
        if _VERSION_HEADER.fullmatch(name):
            return f"specversion is in the header {name}: over Kafka, CloudEvents calls it ce_specversion"
    for name in value:
        if _is_one_of(name, _VERSION_NAMES):
            return f"specversion is spelled {name}"
    pointer = _pointer_to_envelope(value)
    if pointer is not None:
        return f"specversion is missing: the envelope stands at {pointer}, and must be the record's whole value"
    of_other_binding = next(
        (name for name, _ in headers if _ATTRIBUTE_HEADER.fullmatch(name) and name[:3] != "ce_"), None
    )
    if of_other_binding is not None:
        return f"specversion is missing, and there is a header {of_other_binding}: over Kafka, the prefix is ce_"
    if any(name.startswith("ce_") for name, _ in headers):
        return "specversion is missing: there are headers ce_..., but no ce_specversion"
    return "specversion is missing: neither the value nor a header ce_specversion says that this is a CloudEvent"


def no_object(data: Any) -> str:
    """Describe a message's data that is not an object."""
    if isinstance(data, str):
        text = data.strip().removeprefix(_BYTE_ORDER_MARK).lstrip('" \\')
        if text.startswith("{"):
            return "data must be an object and is text that holds JSON: send the object itself"
        if text.startswith("["):
            return "data must be an object and is text that holds a JSON list"
        if is_json_in_base64(data.encode()):
            return "data must be an object and is JSON in base64: send the object itself, or call it data_base64"
    return f"data must be an object and is {found_instead(data)}"


def no_organization(data: Any, attributes: Mapping[str, Any]) -> str:
    """Describe what a message's data contains in place of an organization."""
    if not isinstance(data, dict):
        if data is None and "organization" in attributes:
            return f"{no_object(data)}: its members stand beside the attributes, and belong inside"
        return f"{no_object(data)}; data.organization must be an organization's name"
    organization = data.get("organization")
    if organization is None and "organization" in attributes:
        return "data.organization is missing: organization stands beside data, and belongs inside"
    if organization is None:
        for name, member in data.items():
            if _is_one_of(name, _ORGANIZATION_NAMES) and isinstance(member, str):
                return f"data.organization is missing: it is spelled {name}"
            if _is_plain(name) and isinstance(member, dict) and "organization" in member:
                return f"data.organization is missing: organization stands at /data/{name}, and belongs to data itself"
    found = found_instead(organization, longest=LONGEST_IDENTIFIER, is_ascii=True)
    found = f"{found} with other characters" if found == "text" else found
    return f"data.organization must be an organization's name ({IDENTIFIER_RULE}) and is {found}"


def _found_text(text: str, longest: int | None, *, is_ascii: bool, quoted: bool) -> str:
    if text == "":
        return "empty"
    if longest is not None and len(text) > longest:
        return f"{len(text)} characters long"
    if text.strip() == "":
        return "blank"
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return "in quotation marks"
    if text.endswith(("\n", "\r")):
        return "followed by a line break"
    if text != text.strip():
        return "surrounded by blanks"
    for place, character in enumerate(text, start=1):
        if not character.isprintable() or (is_ascii and not character.isascii()):
            return f"text with U+{ord(character):04X} at character {place}"
    return repr(text) if quoted and len(text) <= _SHOWN_TEXT and _PLAIN.fullmatch(text) else "text"


def _pointer_to_envelope(value: Mapping[str, Any] | list[Any], depth: int = 1) -> str | None:
    members = value.items() if isinstance(value, Mapping) else enumerate(value[:_MAX_SEARCHED])
    for name, member in members:
        if isinstance(name, str) and not _is_plain(name):
            continue
        if isinstance(member, str) and _VERSION_IN_TEXT.search(member):
            return f"/{name} (as text)"
        if isinstance(member, str) and _holds_envelope_in_base64(member):
            return f"/{name} (in base64)"
        if isinstance(member, dict) and "specversion" in member:
            return f"/{name}"
        if isinstance(member, dict | list):
            inner = _pointer_to_envelope(member, depth + 1) if depth < _DEEPEST else None
            if inner is not None:
                return f"/{name}{inner}"
    return None


def _holds_envelope_in_base64(text: str) -> bool:
    if not is_json_in_base64(text.encode()):
        return False
    try:
        return b'"specversion"' in urlsafe_b64decode(text.strip())
    except ValueError:
        return False


def _is_plain(name: str) -> bool:
    return len(name) <= _SHOWN_NAME and _PLAIN_NAME.fullmatch(name) is not None


def _is_one_of(name: str, names: frozenset[str]) -> bool:
    """Return whether a member has one of these names, in any spelling; other names are never quoted."""
    return len(name) <= _SHOWN_NAME and _BLANKS.sub("", name).lower() in names
