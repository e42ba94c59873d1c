"""Attributes that every event passes on from the message that caused it; tokens are never passed on."""

import json
import re
from base64 import urlsafe_b64decode

# W3C Trace Context, section 3.2: lower case, no all-zero ids, version ff is invalid. Later versions may append parts.
_TRACE_PARENT = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]*)?")
_FIRST_VERSION = "00"
_NOT_IN_TOKENS = re.compile(r"[^A-Za-z0-9_.-]+")
_PARTS = 3


def is_trace_parent(text: str) -> bool:
    """Return whether `text` is a valid `traceparent` of W3C's Trace Context."""
    found = _TRACE_PARENT.fullmatch(text)
    return found is not None and (found.group(1) != _FIRST_VERSION or found.group(2) is None)


def looks_like_token(text: str) -> bool:
    """Return whether `text` contains a JWS or JWE in compact form: parts joined by dots, the first one a header."""
    if text.count(".") < _PARTS - 1:
        return False
    runs = [run.split(".") for run in _NOT_IN_TOKENS.split(text)]
    return any(_is_header(part) for run in runs for part in run[: 1 - _PARTS])


def _is_header(part: str) -> bool:
    try:
        header = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        return False
    return isinstance(header, dict)
