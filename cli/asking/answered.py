"""`whopays timeline` and `whopays project`: questions about one project."""

from datetime import UTC, datetime
from typing import Any

import typer

from cli.asking.project import project_card
from cli.asking.reaching import reached
from cli.asking.snapshots import one_snapshot
from cli.asking.timeline import Timeline
from cli.asking.who import insist_on_known
from cli.terminal.installation import database_address
from cli.terminal.output import print_json
from cli.terminal.screen import show
from db.questions import intervals, projects
from db.questions.intervals import TimelineEntry
from db.questions.periods import Period
from schemas.instants import parse_instant


def timeline(organization: str, name: str, *, as_json: bool) -> None:
    """Print the payers of a project. Raises CommandFailed."""
    database_url = database_address()

    async def look() -> dict[str, Any] | None:
        async with one_snapshot(database_url, organization) as (connection, known):
            page = await intervals.project_intervals(connection, organization, name, Period.of(known), limit=_ALL)
            return page and {"items": page[0], "next": None, "settled": known.is_settled(None)}

    found = reached(look())
    if found is None:
        insist_on_known(database_url, organization, name)
    elif as_json:
        print_json(found)
    elif found["items"]:
        show(Timeline(f"{organization}/{name}", _entries(found["items"]), datetime.now(UTC)))
    else:
        typer.echo(f"nobody has ever paid for {organization}/{name}")


def project(organization: str, name: str, *, as_json: bool) -> None:
    """Print a project. Raises CommandFailed."""
    database_url = database_address()

    async def look() -> dict[str, Any] | None:
        async with one_snapshot(database_url, organization) as (connection, _):
            return await projects.project(connection, organization, name)

    found = reached(look())
    if found is None:
        insist_on_known(database_url, organization, name)
    elif as_json:
        print_json(found)
    else:
        show(project_card(found))


def _entries(items: list[dict[str, Any]]) -> list[TimelineEntry]:
    return [
        TimelineEntry(
            number,
            one["bindingId"],
            one["account"],
            parse_instant(one["establishedAt"]),
            one["endedAt"] and parse_instant(one["endedAt"]),
        )
        for number, one in enumerate(items, 1)
    ]


_ALL = 2**31
"""More payers than a project can have had: the timeline shows all of them."""
