"""The options that all lists have: how much of a list is wanted. Imports nothing slow."""

from dataclasses import dataclass
from typing import Annotated

import typer

from cli.terminal.ending import Misused

Limit = Annotated[int, typer.Option("--limit", min=1, metavar="N", help="List at most this many.")]
After = Annotated[
    str | None,
    typer.Option("--after", metavar="KEY", help="Continue after this key: each page prints that of the next."),
]
All = Annotated[bool, typer.Option("--all", help="List them all, from one snapshot; with --json, one a line.")]

Key = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which part of a list is wanted, and in which format."""

    limit: int
    after: str | None
    is_all: bool
    as_json: bool


def key_of(text: str | None, kinds: tuple[type[str] | type[int], ...]) -> Key | None:
    """Parse the key in `--after`: parts of these types, separated by slashes. Raises Misused."""
    if text is None:
        return None
    parts = text.split("/")
    try:
        return tuple(kind(part) for kind, part in zip(kinds, parts, strict=True))
    except ValueError:
        raise Misused(f"--after {text}: not a place in this list; take it from the page before.") from None


def text_of(key: Key | None) -> str | None:
    """Return a key in the syntax of `--after`."""
    return None if key is None else "/".join(map(str, key))
