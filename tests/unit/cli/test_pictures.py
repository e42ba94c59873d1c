"""What the commands show at 60, 80, 100 and 140 columns and piped: kept as pictures, and never with anything cut."""

import re
from pathlib import Path

import pytest

from cli.terminal.screen import UNLIMITED
from tests.unit.cli.drawing import PICTURES, SUBJECTS, WIDTHS, drawn, pictures

_UNBROKEN = ("tail", "verify")
"""One line each, however long: the terminal wraps it, so that it can be copied."""


_DRAWN = tuple(pictures())


@pytest.mark.parametrize(("file", "picture"), _DRAWN, ids=[file.stem for file, _ in _DRAWN])
def test_a_picture_is_as_it_was(file: Path, picture: str) -> None:
    assert picture == file.read_text(encoding="utf-8"), "look at it; python -m tests.unit.cli.drawing keeps it"


def test_no_picture_is_left_over() -> None:
    assert {file for file, _ in _DRAWN} == set(PICTURES.iterdir())


@pytest.mark.parametrize("name", SUBJECTS)
def test_nothing_is_cut_at_any_width(name: str) -> None:
    """Whatever is said without a limit is said at every width, in the same words and in whatever lines."""
    words = re.sub(r"[│─█·▶]", " ", drawn(SUBJECTS[name], UNLIMITED)).split()
    for width in (40, 60, 61, 79, 80, 100, 119, 140, 200):
        shown = drawn(SUBJECTS[name], width)
        assert "…" not in shown
        together = re.sub(r"[\s│╭╮╰╯─█·▶]", "", shown)
        for word in words:
            assert word in together, (width, word)
        if name not in (*_UNBROKEN, "topics-check"):
            assert max(map(len, shown.splitlines())) <= width


@pytest.mark.parametrize("name", SUBJECTS)
def test_what_is_piped_is_neither_framed_nor_padded(name: str) -> None:
    shown = drawn(SUBJECTS[name], WIDTHS["piped"])
    assert not re.search(r"[│╭╮╰╯]", shown)
    assert not re.search(r" $", shown, re.MULTILINE)


@pytest.mark.parametrize("name", _UNBROKEN)
def test_one_event_or_finding_is_one_line(name: str) -> None:
    assert len({drawn(SUBJECTS[name], width) for width in WIDTHS.values()}) == 1
    assert len(drawn(SUBJECTS[name], 60).splitlines()) == 1


def test_control_characters_of_a_record_do_not_reach_the_terminal() -> None:
    assert all("\x1b" not in picture for _, picture in pictures())
    assert "\\x1b[2J" in drawn(SUBJECTS["dead-letters-show"], 80)
