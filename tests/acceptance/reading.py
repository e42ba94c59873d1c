"""How a record must be read (`docs/contract.md`, section 2): the runner's own reader, independent of the service's."""

import json
from dataclasses import dataclass
from typing import Any, Final

from tests.acceptance.json_types import Json
from tests.acceptance.records import Headers, Sent

LARGEST_VALUE_BYTES: Final = 256 * 1024
DEEPEST_LEVELS: Final = 32
_DATA = ("data", "data_base64")
_PREFIX = "ce_"


@dataclass(frozen=True)
class Envelope:
    """The CloudEvents attributes of a record, truth values and integers as their text, and the mode they stand in."""

    is_binary: bool
    attributes: dict[str, Json]


def read_envelope(sent: Sent) -> Envelope | None:
    """Return the envelope of a record; `None` where there is none that can be read."""
    in_headers = _attributes_in(sent.headers)
    value = _read_object(sent.value)
    if value is not None and value.get("specversion") is not None:
        content_types = [text or b"" for name, text in sent.headers if name.lower() == "content-type"]
        is_named = any(one.lower().startswith(b"application/cloudevents") for one in content_types)
        if is_named or "specversion" not in in_headers:
            said = {name: _text(one) for name, one in value.items() if name not in _DATA and one is not None}
            return Envelope(is_binary=False, attributes=said)
    return Envelope(is_binary=True, attributes=in_headers) if "specversion" in in_headers else None


def ids_said(sent: Sent) -> set[str]:
    """Return every `id` in a place where an envelope may have one."""
    ids = ((_read_object(sent.value) or {}).get("id"), _attributes_in(sent.headers).get("id"))
    return {text for text in map(_text, ids) if isinstance(text, str)}


def levels_of(value: Json) -> int:
    """Return how deep maps and lists are nested."""
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(levels_of, members), default=0) if isinstance(value, dict | list) else 0


class _Integer(str):
    """An integer as JSON wrote it, of any size."""

    __slots__ = ()


class _NotStrict(ValueError):
    pass


def _attributes_in(headers: Headers) -> dict[str, Json]:
    return {name.removeprefix(_PREFIX): _text(text) for name, text in headers if name.startswith(_PREFIX)}


def _text(value: Any) -> Json:
    """Return the text that an attribute means; anything that means none as it is."""
    match value:
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError:
                return value
        case bool():
            return "true" if value else "false"
        case str():
            return str(value)
        case _:
            return value


def _read_object(value: bytes | None) -> dict[str, Any] | None:
    if value is None or len(value) > LARGEST_VALUE_BYTES:
        return None
    try:
        text = value.decode()
        read = json.loads(text, object_pairs_hook=_once, parse_constant=_refuse, parse_int=_Integer)
        json.dumps(read, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    if not isinstance(read, dict) or levels_of(read) > DEEPEST_LEVELS or "\\u0000" in json.dumps(read):
        return None
    return read


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise _NotStrict
    return dict(pairs)


def _refuse(_: str) -> Any:
    raise _NotStrict
