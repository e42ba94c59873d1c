"""The timeline of payers, drawn, and the words for lengths of time."""

from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from cli.asking.answered import _entries
from cli.asking.timeline import Interval, Timeline, bar, intervals
from cli.terminal.describing import duration
from db.questions.intervals import TimelineEntry
from schemas.instants import format_instant

NOON = datetime(2027, 1, 31, 12, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def entry(number: int, account: str, begins: float, ends: float | None) -> TimelineEntry:
    return TimelineEntry(number, f"web.{number}", account, at(begins), None if ends is None else at(ends))


PAYERS = (entry(1, "main", 0, 10), entry(2, "lab", 10, 20), entry(3, "main", 25, None))


def test_gaps_are_shown_as_nobody() -> None:
    assert intervals(PAYERS) == [
        Interval("main", at(0), at(10)),
        Interval("lab", at(10), at(20)),
        Interval(None, at(20), at(25)),
        Interval("main", at(25), None),
    ]
    assert intervals((entry(1, "main", 0, 10),)) == [Interval("main", at(0), at(10)), Interval(None, at(10), None)]
    assert intervals(()) == []


def test_payers_are_drawn_of_what_is_answered() -> None:
    items = [
        {
            "bindingId": one.binding_id, "account": one.account, "establishedAt": format_instant(one.established_at),
            "endedAt": one.ended_at and format_instant(one.ended_at),
        }
        for one in PAYERS
    ]  # fmt: skip
    assert _entries(items) == [*PAYERS]


def test_bars_touch_on_one_axis() -> None:
    bars = [bar(interval, at(0), at(30)) for interval in intervals(PAYERS)]
    assert bars == ["█" * 10, " " * 10 + "█" * 10, " " * 20 + "·" * 5, " " * 25 + "█" * 5 + "▶"]


def test_the_shortest_interval_is_seen() -> None:
    assert bar(Interval("main", at(30), None), at(0), at(30)) == " " * 29 + "█▶"
    assert bar(Interval("main", at(0), None), at(0), at(0)) == "█▶"


def test_instants_and_lengths_stand_beside_the_bars() -> None:
    console = Console(width=100)
    with console.capture() as capture:
        console.print(Timeline("acme/web", PAYERS, at(30)))
    lines = capture.get().splitlines()
    assert lines[0].split() == ["acme/web"]
    assert lines[2].split() == ["2027-01-31T12:00:00.000000Z", "main", "10", "min", "█" * 10]
    assert lines[4].split() == ["2027-01-31T12:20:00.000000Z", "nobody", "5", "min", "·" * 5]


@pytest.mark.parametrize(("width", "has_bars"), ((54, False), (55, True), (56, True)))
def test_bars_yield_where_they_would_be_too_short(width: int, has_bars: bool) -> None:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(Timeline("acme/web", PAYERS, at(30)))
    assert ("█" in capture.get()) is has_bars
    assert max(map(len, capture.get().splitlines())) <= width


@pytest.mark.parametrize(
    ("seconds", "words"),
    (
        (0.004, "0.00 s"),
        (59.5, "59.50 s"),
        (60, "1 min"),
        (192, "3 min 12 s"),
        (3600, "1 h"),
        (86400 * 5 + 7300, "5 d 2 h"),
    ),
)
def test_lengths_of_time_have_at_most_two_units(seconds: float, words: str) -> None:
    assert duration(seconds) == words
