"""Instants as text (docs/contract.md section 2); imports only the standard library, for `whopays who` to start fast."""

import re
from datetime import UTC, datetime
from functools import lru_cache

_INSTANT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]((?:[01][0-9]|2[0-3]):[0-5][0-9]):([0-5][0-9]|60)(\.[0-9]+)?"
    r"([Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
_LEAP_SECOND = "60"
_LAST_MICROSECOND = ("59", ".999999")


def parse_instant(text: str) -> datetime:
    """Parse an RFC 3339 instant with offset and return it in UTC, to the microsecond.

    A leap second becomes the last microsecond before the next minute. Raise ValueError for anything else, including
    instants outside the years 1 to 9999 in UTC.
    """
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise ValueError("not an RFC 3339 instant with offset")
    day, minute, second, fraction, offset = match.groups()
    is_leap = second == _LEAP_SECOND
    second, fraction = _LAST_MICROSECOND if is_leap else (second, (fraction or ".0")[:7])
    try:
        instant = datetime.fromisoformat(f"{day}T{minute}:{second}{fraction}{offset.upper()}").astimezone(UTC)
    except OverflowError as error:
        raise ValueError("outside the years 1 to 9999") from error
    if is_leap and (instant.hour, instant.minute) != (23, 59):
        raise ValueError("a leap second ends a day in UTC")
    return instant


@lru_cache(maxsize=1024)
def format_instant(instant: datetime) -> str:
    """Write an aware instant in UTC as RFC 3339 with six decimals and `Z`."""
    at = instant if instant.tzinfo is UTC else instant.astimezone(UTC)
    # strftime does not pad years before 1000 on every platform, and isoformat takes twice as long.
    parts = (at.year, at.month, at.day, at.hour, at.minute, at.second, at.microsecond)
    return "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ" % parts  # noqa: UP031 (twice as fast as format specifiers)
