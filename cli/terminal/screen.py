"""Output for people, through Rich: as wide as the terminal, or unlimited without one."""

import sys
from collections.abc import Sequence

from rich.console import Console, RenderableType
from rich.text import Text

UNLIMITED = 100_000
"""The width without a terminal: nothing is wrapped or truncated for a file or another program."""


def console() -> Console:
    """Return a console on standard output."""
    return Console(width=None if sys.stdout.isatty() else UNLIMITED, highlight=False)


def error_console() -> Console:
    """Return a console on standard error."""
    return Console(stderr=True, width=None if sys.stderr.isatty() else UNLIMITED, highlight=False)


def show(*parts: RenderableType) -> None:
    """Print on standard output."""
    put(console(), *parts)


def put(screen: Console, *parts: RenderableType) -> None:
    """Print; lines that must not be wrapped are left to the terminal, and in a file no line has trailing spaces."""
    if screen.width < UNLIMITED:
        _put(screen, parts)
        return
    with screen.capture() as captured:
        _put(screen, parts)
    for line in captured.get().splitlines():
        screen.out(line.rstrip(), highlight=False)


def _put(screen: Console, parts: Sequence[RenderableType]) -> None:
    for part in parts:
        screen.print(part, soft_wrap=isinstance(part, Text) and part.no_wrap, markup=False)
