"""JSON output for programs, and text that needs no Rich."""

import json
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")]


def print_json(document: Any) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2))


def print_json_line(document: Any) -> None:
    """Print a document on one line and flush, for programs that read line by line."""
    typer.echo(json.dumps(document, ensure_ascii=False))


def count_of(number: int, one: str, several: str | None = None) -> str:
    """Return `1 project`, `2 projects`; `several` is the plural if it is irregular."""
    return f"{number} {one if number == 1 else several or f'{one}s'}"
