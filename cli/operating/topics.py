"""`whopays topics`: making and checking the topics, and what is to be done when they are not those of before."""

import asyncio
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text
from sqlalchemy.exc import DBAPIError

from cli.terminal.ending import FAILED, CommandFailed
from cli.terminal.failures import reaching
from cli.terminal.installation import load_settings
from cli.terminal.output import AsJson, print_json
from cli.terminal.screen import console
from db.address import DatabaseUnreachable
from db.engine import create_engine
from workers.runtime.settings import Settings
from workers.topics.admission import OtherPrefix, insist_on_prefix
from workers.topics.plan import Difference, check_topics, create_topics


def create(
    new_prefix: Annotated[
        bool, typer.Option("--new-prefix", help="Also where the installation's topics begin with another prefix.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Create the topics that are missing; leave the others alone."""
    settings = load_settings()
    with reaching(settings):
        if not new_prefix:
            try:
                asyncio.run(_insist_on_prefix(settings))
            except OtherPrefix as error:
                raise CommandFailed(f"{error}\nTo create topics with that prefix: --new-prefix") from None
        created = asyncio.run(create_topics(settings))
        differences = asyncio.run(check_topics(settings))
    if as_json:
        print_json({"created": created, "differences": _documents(differences)})
        return
    console().print(f"Created {', '.join(created)}." if created else "All topics exist already.", markup=False)
    if differences:
        console().print(_differing(differences))


def check(as_json: AsJson = False) -> None:
    """Compare the topics with what whopays needs.

    Exit status 1 when something differs, 2 when it could not be checked.
    """
    settings = load_settings()
    with reaching(settings):
        asyncio.run(_insist_on_prefix(settings))
        differences = asyncio.run(check_topics(settings))
    if as_json:
        print_json({"differences": _documents(differences)})
    elif differences:
        console().print(_differing(differences))
    else:
        console().print("All topics are as they should be.")
    if differences:
        raise typer.Exit(FAILED)


async def _insist_on_prefix(settings: Settings) -> None:
    """Raise OtherPrefix if a database knows of other topics; to create and check topics there need be none."""
    engine = create_engine(settings.database_url, pool_size=1)
    try:
        await insist_on_prefix(engine, settings)
    except (DBAPIError, DatabaseUnreachable):
        return
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
