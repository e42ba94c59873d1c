"""Card numbers: recognized anywhere in a record's data, never repeated (docs/contract.md section 2)."""

import re
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

from schemas.pointers import Path, pointer, quotable

IN_BASE64 = b"data_base64"
"""The member of an event that holds its data in base64."""

_CANDIDATE = re.compile(r"[\s\u2010-\u2015-]*(?:[0-9][\s\u2010-\u2015-]*){13,19}")
# For bytes: each digit becomes a zero; blanks, hyphens and everything outside ASCII are dropped.
_ALL_DIGITS_ALIKE = bytes.maketrans(b"123456789", b"000000000")
_BLANKS_AND_HYPHENS = bytes([*b" \t\n\r\f\v-", *range(0x80, 0x100)])
_THIRTEEN_DIGITS = b"0" * 13
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/]")
_URL_SAFE = str.maketrans("-_", "+/")
_DIGITS_TOGETHER = re.compile(r"[0-9](?:[\s\u2010-\u2015-]*[0-9]){12,}")
_NOT_A_DIGIT = re.compile(r"[^0-9]")
# Escapes of characters that may occur in a card number: digits, and blanks of all kinds.
_ESCAPED = re.compile(r"\\(?:[tnrf]|u([0-9a-fA-F]{4}))")
_NOT_SEARCHED: frozenset[Path] = frozenset(
    {
        ("organization",),
        ("project",),
        ("projects",),
        ("account",),
        ("fromAccount",),
        ("toAccount",),
        ("expectedAccount",),
        ("uid",),
        ("contact", "phone"),
        ("preferences", "taxRegistrations"),
        ("preferences", "eInvoicing"),
    }
)


def is_card_number(text: str) -> bool:
    """Return whether `text`, without blanks and hyphens, is 13 to 19 digits that pass the Luhn check."""
    if _CANDIDATE.fullmatch(text) is None:
        return False
    digits = [int(digit) for digit in _NOT_A_DIGIT.sub("", text)]
    doubled = sum(sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return (sum(digits[-1::-2]) + doubled) % 10 == 0


def has_card_number_within(text: str) -> bool:
    """Return whether some digits of `text`, even with blanks and hyphens between them, may form a card number."""
    for run in _DIGITS_TOGETHER.findall(text):
        digits = _NOT_A_DIGIT.sub("", run)
        windows = (digits[start : start + size] for size in range(13, 20) for start in range(len(digits)))
        if any(map(is_card_number, windows)):
            return True
    return False


def holds_no_card_number(value: bytes) -> bool:
    """Return whether a JSON text certainly contains no card number, without parsing its strings."""
    return (
        b"\\" not in value
        and IN_BASE64 not in value
        and _THIRTEEN_DIGITS not in value.translate(_ALL_DIGITS_ALIKE, _BLANKS_AND_HYPHENS)
    )


def may_hold_card_number(value: bytes) -> bool:
    """Return whether an unparsable value has something like a card number between two quotation marks.

    The member it belongs to is unknown, so a harmless number may match too.
    """
    # NULs are dropped, so that ASCII in UTF-16 is recognized too.
    pieces = value.decode(errors="replace").replace("\0", "").split('"')
    if any(is_card_number(_ESCAPED.sub(_unescaped, piece)) for piece in pieces):
        return True
    in_base64 = [text for name, text in zip(pieces, pieces[2:], strict=False) if name == IN_BASE64.decode()]
    return any(may_hold_card_number(_leniently_decoded(text)) for text in in_base64)


def card_number_pointers(data: Any) -> list[str]:
    """Return a JSON pointer to each string that looks like a card number; for a member's name, to its object.

    A pointer that would quote too much, or personal data, ends at an enclosing object.
    """
    return list(dict.fromkeys(pointer(quotable(path)) for path in _search(data, ())))


def without_card_numbers(data: Any) -> Any:
    """Return a copy of `data` with each card number, even in a member's name, replaced by a fixed word."""
    match data:
        case str():
            return "<card number>" if is_card_number(data) else data
        case list():
            return [without_card_numbers(item) for item in data]
        case dict():
            return {without_card_numbers(name): without_card_numbers(item) for name, item in data.items()}
        case _:
            return data


def _search(value: Any, path: Path) -> Iterator[Path]:
    if path in _NOT_SEARCHED:
        return
    match value:
        case str():
            if is_card_number(value):
                yield path
        case list():
            for index, item in enumerate(value):
                yield from _search(item, (*path, index))
        case dict():
            for name, item in value.items():
                if is_card_number(name):
                    yield path
                    yield from _search(item, path)
                else:
                    yield from _search(item, (*path, name))
        case _:
            pass


def _leniently_decoded(text: str) -> bytes:
    """Decode base64 of any alphabet; if it is truncated, as far as possible."""
    digits = _NOT_BASE64.sub("", text.translate(_URL_SAFE))
    return b64decode(digits + "A" * (-len(digits) % 4))


def _unescaped(escape: re.Match[str]) -> str:
    code = escape.group(1)
    return " " if code is None else chr(int(code, 16))
