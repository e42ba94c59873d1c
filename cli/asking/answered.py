"""Answers to the questions about one thing: a project, an account, a command."""

import asyncio
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import Any

import orjson
import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from cli.asking.accounts import account_view
from cli.asking.project import project_card
from cli.asking.snapshots import one_snapshot, snapshots
from cli.asking.timeline import Timeline
from cli.asking.who import insist_on_known
from cli.terminal.asking import ask
from cli.terminal.ending import CommandFailed
from cli.terminal.failures import reaching
from cli.terminal.installation import load_settings
from cli.terminal.output import print_json, print_json_line
from cli.terminal.screen import show
from db.questions import accounts as queries
from db.questions import intervals, projects
from db.questions.intervals import TimelineEntry
from db.questions.periods import Period
from db.questions.results import published_results
from schemas.instants import parse_instant


def timeline(organization: str, name: str, *, as_json: bool) -> None:
    """Print the payers of a project. Raises CommandFailed."""
    settings = load_settings()

    async def look() -> dict[str, Any] | None:
        async with one_snapshot(settings, organization) as (connection, known):
            page = await intervals.project_intervals(connection, organization, name, Period.of(known), limit=_ALL)
            return page and {"items": page[0], "next": None, "settled": known.is_settled(None)}

    with reaching(settings):
        found = asyncio.run(look())
    if found is None:
        insist_on_known(settings, organization, name)
    elif as_json:
        print_json(found)
    elif found["items"]:
        show(Timeline(f"{organization}/{name}", _entries(found["items"]), datetime.now(UTC)))
    else:
        typer.echo(f"nobody has ever paid for {organization}/{name}")


def project(organization: str, name: str, *, as_json: bool) -> None:
    """Print a project. Raises CommandFailed."""
    settings = load_settings()
    found = ask(settings, lambda connection: projects.project(connection, organization, name))
    if found is None:
        insist_on_known(settings, organization, name)
    elif as_json:
        print_json(found)
    else:
        show(project_card(found))


def account(organization: str, name: str, *, with_contact: bool, is_watched: bool, as_json: bool) -> None:
    """Print an account, once or whenever it changes. Raises CommandFailed."""
    settings = load_settings()
    keys = settings.keys() if with_contact else None
    shown: dict[str, Any] | None = None

    async def look(connection: AsyncConnection) -> None:
        nonlocal shown
        found = await queries.account(connection, organization, name, with_balance=True, keys=keys)
        if found is None:
            raise CommandFailed(
                f"The organization {organization} has no account {name}.\n"
                f"Create it: whopays send CreateAccount --organization {organization} account={name} currencyCode=EUR "
                "paymentTerms='{}'"
            )
        found["history"] = await queries.account_history(connection, organization, name)
        if found == shown:
            return
        shown = found
        if as_json:
            (print_json_line if is_watched else print_json)(found)
        else:
            show(*account_view(found))

    async def once() -> None:
        async with one_snapshot(settings, organization) as (connection, _):
            await look(connection)

    async def again() -> None:
        async with aclosing(snapshots(settings, organization)) as found:
            async for connection, _ in found:
                await look(connection)

    with reaching(settings), suppress(*[KeyboardInterrupt] if is_watched else []):
        asyncio.run(again() if is_watched else once())


def result(organization: str, command_id: str, source: str | None, *, as_json: bool) -> None:
    """Print the results of the commands with an id. Raises CommandFailed."""
    from cli.sending.answers import result_card  # noqa: PLC0415 - brings Kafka with it

    values = ask(load_settings(), lambda connection: published_results(connection, organization, command_id, source))
    if not values:
        sender = f" of {source}" if source else ""
        raise CommandFailed(
            f"The organization {organization} has no answered command {command_id}{sender}.\n"
            "It was not sent, is not answered yet (whopays health), was a dry run, or came from nobody known: "
            "the last two claim no id. Or its result was archived with an old partition of the log."
        )
    events = [orjson.loads(value) for value in values]
    if as_json:
        print_json(events)
    else:
        show(*map(result_card, events))


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
"""More than a project can have had payers: a picture is of all of them."""
