"""How the commands print: for people through Rich, for programs as JSON; faults go to standard error."""

import json
import sys
from typing import Annotated, Any

import typer
from rich.console import Console

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")]

_WIDTH_WITHOUT_TERMINAL = 100


def console() -> Console:
    """Return a console on standard output; it is 100 characters wide where there is no terminal."""
    return Console(width=None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL, highlight=False)


def error_console() -> Console:
    """Return a console on standard error."""
    return Console(stderr=True, width=None if sys.stderr.isatty() else _WIDTH_WITHOUT_TERMINAL, highlight=False)


def print_json(document: Any) -> None:
    """Print one JSON document."""
    console().out(json.dumps(document, ensure_ascii=False, indent=2))


def print_json_line(document: Any) -> None:
    """Print a document on one line, at once, for programs that read line by line."""
    console().out(json.dumps(document, ensure_ascii=False))
