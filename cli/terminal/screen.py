"""How the commands print for people, through Rich."""

import sys

from rich.console import Console

_WIDTH_WITHOUT_TERMINAL = 100


def console() -> Console:
    """Return a console on standard output; it is 100 characters wide where there is no terminal."""
    return Console(width=None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL, highlight=False)


def error_console() -> Console:
    """Return a console on standard error."""
    return Console(stderr=True, width=None if sys.stderr.isatty() else _WIDTH_WITHOUT_TERMINAL, highlight=False)
