"""Pages of a list: one page and where the next begins, or all pages in one snapshot."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

import typer
from rich.console import RenderableType

from cli.asking.reaching import reached
from cli.asking.snapshots import one_snapshot
from cli.terminal.ending import CommandFailed
from cli.terminal.installation import database_address
from cli.terminal.output import print_json, print_json_line
from cli.terminal.paging import Key, Wanted, key_of, text_of
from cli.terminal.screen import show
from db.driver import Driver
from db.questions.pages import Page
from db.questions.snapshots import Snapshot

_AT_ONCE = 1_000


class Question(Protocol):
    """A query for a page."""

    async def __call__(self, connection: Driver, known: Snapshot, /, *, limit: int, after: Key | None) -> Page | None:
        """Return a page; None if the subject of the list is unknown."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of list: how its items are rendered, the message for an empty list, and the types in its keys.

    `missing` is the message if the subject of the list is unknown.
    """

    drawn: Callable[[Sequence[dict[str, Any]]], RenderableType]
    nothing: str
    key: tuple[type[str] | type[int], ...] = (str,)
    missing: str = ""


def show_pages(
    organization: str,
    wanted: Wanted,
    kind: Kind,
    question: Question,
    more: Callable[[Snapshot], dict[str, Any]] = lambda _: {},
) -> None:
    """Print a list; as JSON, an object with `items`, `next` and the members from `more`. Raises CommandFailed."""
    after = key_of(wanted.after, kind.key)
    database_url = database_address()

    async def pages() -> None:
        async with aclosing(_pages(database_url, organization, wanted, question, after)) as found:
            async for page, known in found:
                if page is None:
                    raise CommandFailed(kind.missing)
                show_page(page, wanted, kind, more(known))

    reached(pages())


def show_page(page: Page, wanted: Wanted, kind: Kind, more: dict[str, Any]) -> None:
    """Print a page. Only the first page can be empty."""
    items, following = page
    if wanted.as_json and wanted.is_all:
        for item in items:
            print_json_line(item)
    elif wanted.as_json:
        print_json({"items": items, "next": text_of(following)} | more)
    elif items:
        show(kind.drawn(items))
        if following is not None and not wanted.is_all:
            typer.echo(f"There are more: --after {text_of(following)}, or --all", err=True)
    else:
        typer.echo(kind.nothing)


async def _pages(
    database_url: str, organization: str, wanted: Wanted, question: Question, after: Key | None
) -> AsyncGenerator[tuple[Page | None, Snapshot]]:
    limit = _AT_ONCE if wanted.is_all else wanted.limit
    async with one_snapshot(database_url, organization) as (connection, known):
        while True:
            page = await question(connection, known, limit=limit, after=after)
            yield page, known
            after = page[1] if page else None
            if after is None or not wanted.is_all:
                return
