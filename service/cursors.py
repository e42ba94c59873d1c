"""Pagination cursors: opaque, bound to a path and its parameters, without expiry."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any

import orjson

from schemas.instants import format_instant
from service.parameters import Parameter, Refused
from service.problems import Reason

_UNBOUND = frozenset({"limit", "cursor", "atLeast", "closedAtLeast"})
"""Parameters that are not bound, and so may differ from page to page."""
_DIGEST_BYTES = 12
_LONGEST = 2048

Key = tuple[str | int | None, ...]


def write_cursor(key: Sequence[str | int | None], path: str, values: Mapping[str, Any]) -> str:
    """Return the cursor of the page that follows a key."""
    content = orjson.dumps(list(key))
    return urlsafe_b64encode(_digest(content, path, values) + content).decode().rstrip("=")


def read_cursor(cursor: tuple[bytes, Key, bytes], path: str, values: Mapping[str, Any]) -> Key:
    """Return the key of a decoded cursor. Raises Refused for one of another path, or of other parameters."""
    digest, key, content = cursor
    if digest != _digest(content, path, values):
        raise Refused(Reason.CONFLICTING, "The cursor is not one of this path and these parameters.")
    return key


def _decode(text: str) -> tuple[bytes, Key, bytes]:
    try:
        if len(text) > _LONGEST:
            raise ValueError
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        # Accept only the canonical text: base64 has several for the same bytes.
        if urlsafe_b64encode(raw).decode().rstrip("=") != text:
            raise ValueError
        digest, content = raw[:_DIGEST_BYTES], raw[_DIGEST_BYTES:]
        key = orjson.loads(content)
        if not isinstance(key, list) or not all(part is None or isinstance(part, str | int) for part in key):
            raise ValueError
    except (ValueError, binascii.Error):
        raise Refused(Reason.MALFORMED, "It must be the `next` of a page.") from None
    return digest, tuple(key), content


def _digest(content: bytes, path: str, values: Mapping[str, Any]) -> bytes:
    """Return a digest that binds a key to the path and the parsed parameters, and reveals alterations."""
    asked = {name: _canonical(value) for name, value in values.items() if name not in _UNBOUND}
    bound = orjson.dumps([path, asked], option=orjson.OPT_SORT_KEYS)
    return blake2b(content, digest_size=_DIGEST_BYTES, key=blake2b(bound, digest_size=32).digest()).digest()


def _canonical(value: Any) -> Any:
    return format_instant(value) if isinstance(value, datetime) else value


CURSOR = Parameter(
    "cursor",
    _decode,
    {"type": "string", "minLength": 1, "maxLength": _LONGEST},
    "The `next` of the previous page; `limit` may differ.",
)
