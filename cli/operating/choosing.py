"""Options that select dead letters, by number, range or filter, and the person who acts on them."""

import getpass
import re
import socket
from typing import Any

from cli.terminal.ending import Misused
from cli.terminal.names import instant_named, topic_named
from db.dead_letters import LARGEST_NUMBER, Choice, Standing
from schemas.card_numbers import has_card_number_within
from schemas.people import is_authid, is_system
from schemas.records import DeadLetterReason
from schemas.topics import INPUT_TOPICS
from workers.runtime.settings import Settings

_RANGE = re.compile(r"([0-9]{1,40})?(?:(-)([0-9]{1,40})?)?")
_PLACE = re.compile(r"([^/]+)/([0-9]{1,9})/([0-9]{1,18})")


def ranges_of(words: list[str] | None) -> tuple[tuple[int, int], ...]:
    """Parse words such as `7`, `7-12`, `7-` or `-12` into ranges. Raises Misused."""
    return tuple(_range(word) for word in words or ())


def single_numbers(words: list[str] | None) -> list[int]:
    """Return the numbers that are given singly, not in a range."""
    return [first for first, last in ranges_of(words) if first == last]


def choice_of(
    settings: Settings,
    words: list[str] | None,
    topic: str | None,
    organization: str | None,
    reason: DeadLetterReason | None,
    since: str | None,
    records: list[str] | None,
    standing: Standing | None,
) -> Choice:
    """Return the selection. Raises Misused for a malformed topic, instant, record or number."""
    return Choice(
        numbers=ranges_of(words),
        places=tuple(_place(word, settings) for word in records or ()),
        topic=None if topic is None else settings.topic(topic_named(topic, settings, INPUT_TOPICS, "input")),
        organization=organization,
        reason=reason,
        since=None if since is None else instant_named("--since", since),
        standing=standing,
    )


def insist_on_a_choice(words: list[str] | None, is_all: bool, *filters: Any) -> None:
    """Raise Misused unless exactly one of numbers, filters and --all selects the dead letters."""
    if [bool(words), is_all, any(one not in (None, []) for one in filters)].count(True) != 1:
        raise Misused("Say which ones, in one of these ways: their numbers, filters such as --reason, or --all.")


def person(by: str | None) -> str:
    """Return the name of the person who acts. Raises Misused for an invalid name."""
    name = by if by is not None else f"{_user()}@{socket.gethostname()}"
    if not is_authid(name) or is_system(name) or has_card_number_within(name):
        raise Misused(
            f"--by {name!r} names nobody: 1 to 256 characters, none of them invisible, no blanks at either end, no "
            "card number, and not system:..."
        )
    return name


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _place(word: str, settings: Settings) -> tuple[str, int, int]:
    match = _PLACE.fullmatch(word)
    if match is None:
        raise Misused(f"--record {word!r} is no place of a record, such as projects/0/4711.")
    topic, partition, offset = match.groups()
    return settings.topic(topic_named(topic, settings, INPUT_TOPICS, "input")), int(partition), int(offset)


def _range(word: str) -> tuple[int, int]:
    match = _RANGE.fullmatch(word)
    first, dash, last = match.groups() if match else (None, None, None)
    if match is None or (first is None and last is None):
        raise Misused(f"{word!r} is no number of a dead letter, and no range such as 7-12.")
    low = 1 if first is None else int(first)
    high = low if dash is None else max(low, LARGEST_NUMBER) if last is None else int(last)
    if low > high:
        raise Misused(f"{word}: the range ends before it begins.")
    return low, high
