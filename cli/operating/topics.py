"""`whopays topics`: making and checking the topics, and what is to be done when they are not those of before."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text
from sqlalchemy.ext.asyncio import AsyncEngine

from cli.terminal.failures import FAILED, CommandFailed, reaching
from cli.terminal.installation import load_settings
from cli.terminal.output import AsJson, console, print_json
from db.engine import create_engine
from db.migrate import check as check_database
from db.published import forget_published
from workers.publishing.packing import LogDamaged
from workers.publishing.restoring import restore_positions as restore
from workers.runtime.settings import Settings
from workers.topics.admission import adopt as adopt_topics
from workers.topics.plan import Difference, check_topics, create_topics


def create(as_json: AsJson = False) -> None:
    """Create the topics that are missing; those that exist are left as they are."""
    settings = load_settings()
    with reaching(settings):
        created = asyncio.run(create_topics(settings))
        differences = asyncio.run(check_topics(settings))
    if as_json:
        print_json({"created": created, "differences": _documents(differences)})
        return
    console().print(f"Created {', '.join(created)}." if created else "All topics exist already.", markup=False)
    if differences:
        console().print(_differing(differences))


def check(as_json: AsJson = False) -> None:
    """Compare the topics with what whopays needs; exit status 1 when something differs, 2 when nobody knows."""
    settings = load_settings()
    with reaching(settings):
        differences = asyncio.run(check_topics(settings))
    if as_json:
        print_json({"differences": _documents(differences)})
    elif differences:
        console().print(_differing(differences))
    else:
        console().print("All topics are as they should be.")
    if differences:
        raise typer.Exit(FAILED)


def adopt(
    publish_again: Annotated[
        bool, typer.Option("--publish-again", help="Also publish the whole log again, where relay-positions is empty.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Work with the topics as they are now, on another cluster or with other partitions; stop the workers before."""
    settings = load_settings()

    async def work() -> list[str]:
        async with _database(settings) as engine:
            changes = await adopt_topics(engine, settings)
            if publish_again:
                async with engine.begin() as connection:
                    await forget_published(connection)
            return changes

    with reaching(settings):
        changes = asyncio.run(work())
    if as_json:
        print_json({"changes": changes, "publishAgain": publish_again})
        return
    for change in changes or ["The topics are those that they have always been."]:
        console().print(change, markup=False, soft_wrap=True)
    if publish_again:
        console().print(
            "The relay publishes from where relay-positions says, and from the beginning where it is empty."
        )


def restore_positions(as_json: AsJson = False) -> None:
    """Set the relay's positions to what the topics hold, after relay-positions lost records; stop the relay before."""
    settings = load_settings()

    async def work() -> dict[int, tuple[int, int]]:
        async with _database(settings) as engine:
            return await restore(engine, settings)

    with reaching(settings):
        try:
            moved = asyncio.run(work())
        except LogDamaged as error:
            raise CommandFailed(f"The positions were left as they are: {error}") from None
    if as_json:
        print_json({"moved": [{"shard": shard, "from": was, "to": is_} for shard, (was, is_) in moved.items()]})
        return
    for shard, (was, is_) in sorted(moved.items()):
        console().print(f"Shard {shard} is published up to {is_}; its position was {was}.")
    if not moved:
        console().print("No position is behind what is published.")


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(settings.database_url, pool_size=1)
    try:
        await check_database(engine, settings.installation, settings.shards, is_disposable=True)
        yield engine
    finally:
        await engine.dispose()


def _documents(differences: list[Difference]) -> list[dict[str, str]]:
    return [
        {"topic": one.topic, "what": one.what, "found": one.found, "wanted": one.wanted, "remedy": one.remedy}
        for one in differences
    ]


def _differing(differences: list[Difference]) -> Table:
    table = Table(title="What differs", title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    for column in ("topic", "what", "found", "wanted", "what to do"):
        table.add_column(column, header_style="dim", overflow="fold")
    for one in differences:
        table.add_row(one.topic, one.what, Text(one.found, style="red"), Text(one.wanted, style="green"), one.remedy)
    return table
