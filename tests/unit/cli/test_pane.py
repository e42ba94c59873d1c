"""The pane in which `whopays top` shows what does not fit, and the keys that scroll it."""

from io import StringIO

import pytest
from rich.console import Console, Group
from rich.text import Text

from cli.operating.top import _KEY, _LINES, _Pane


def _shown(pane: _Pane, height: int) -> list[str]:
    out = StringIO()
    screen = Console(file=out, width=60, height=99, highlight=False, legacy_windows=False)
    screen.print(pane, height=height, end="")
    return out.getvalue().split("\n")


def _pane(lines: int, offset: int = 0) -> _Pane:
    pane = _Pane()
    pane.content, pane.offset = Group(*(Text(f"line {number}") for number in range(lines))), offset
    return pane


def test_where_everything_fits_nothing_is_scrolled() -> None:
    pane = _pane(3, offset=2)
    assert _shown(pane, 5) == ["line 0", "line 1", "line 2", "", "q ends"]
    assert pane.offset == 0
    assert _shown(_pane(4), 5) == ["line 0", "line 1", "line 2", "line 3", "q ends"]


@pytest.mark.parametrize(("offset", "first", "more"), ((0, 0, 6), (2, 2, 4), (6, 6, 0), (99, 6, 0)))
def test_what_does_not_fit_is_scrolled(offset: int, first: int, more: int) -> None:
    assert _shown(_pane(10, offset), 5) == [
        *(f"line {number}" for number in range(first, first + 4)),
        f"q ends  arrows scroll: {more} more below",
    ]


def test_one_line_is_always_shown() -> None:
    assert _shown(_pane(3), 1) == ["line 0", "q ends  arrows scroll: 2 more below"]


def test_keys_scroll_and_never_above_the_first_line() -> None:
    pane, seen = _Pane(), []
    for key in ("x", "j", "j", " ", "k", "q", "b", "k", "k"):
        pane.scroll(key)
        seen.append(pane.offset)
    assert seen == [0, 1, 2, 12, 11, 11, 1, 0, 0]


def test_keys_are_told_apart() -> None:
    assert _KEY.findall("jk\x1b[A\x1b[6~q \n") == ["j", "k", "\x1b[A", "\x1b[6~", "q", " ", "\n"]
    down, up = ("j", "\x1b[B", " ", "\x1b[6~"), ("k", "\x1b[A", "b", "\x1b[5~")
    assert [_LINES[key] for key in down] == [1, 1, 10, 10]
    assert [_LINES[key] for key in up] == [-1, -1, -10, -10]
