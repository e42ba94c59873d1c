"""Whoever waits sees how far it is: of rows how many there are, of how many, and how fast they come."""

import re
from io import StringIO

import pytest
from rich.console import Console

from cli.operating import progress


def test_rows_are_counted_and_their_rate_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = StringIO()
    monkeypatch.setattr(progress, "error_console", lambda: Console(file=screen, force_terminal=True, width=100))
    with progress.shown_rows(2_000_000) as further:
        further(500_000)
        further(500_000)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    assert "1,000,000 of 2,000,000" in shown
    assert "50%" in shown
    (*_, rate) = re.findall(r"([\d,]+)/s", shown)
    assert int(rate.replace(",", "")) not in (0, 500_000, 1_000_000), "they did not take a second"


def test_each_thing_that_is_read_has_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = StringIO()
    monkeypatch.setattr(progress, "error_console", lambda: Console(file=screen, force_terminal=True, width=100))
    with progress.shown_progress() as told:
        told("log", 1, 10)
        told("log", 7, 12)
        told("topic bindings", 3, 4)
    *_, log, topic = (line for line in screen.getvalue().splitlines() if "Reading the " in line)
    assert ("Reading the log" in log, "7/12" in log) == (True, True)
    assert ("Reading the topic bindings" in topic, "3/4" in topic) == (True, True)


def test_where_nobody_looks_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = StringIO()
    monkeypatch.setattr(progress, "error_console", lambda: Console(file=screen, force_terminal=False, width=100))
    with progress.shown_rows(2) as further:
        further(1)
    with progress.shown_progress() as told:
        told("log", 1, 10)
    assert screen.getvalue() == ""
