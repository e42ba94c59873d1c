"""`whopays topics create` and `check`."""

import asyncio

import typer
from rich.console import RenderableType
from rich.text import Text
from sqlalchemy.exc import DBAPIError

from cli.terminal.ending import FAILED, CommandFailed
from cli.terminal.failures import reaching
from cli.terminal.installation import load_settings
from cli.terminal.layout import copyable
from cli.terminal.output import print_json
from cli.terminal.screen import show
from db.address import DatabaseUnreachable
from db.engine import create_engine
from workers.runtime.settings import Settings
from workers.topics.admission import OtherPrefix, insist_on_prefix
from workers.topics.plan import Difference, check_topics, create_topics


def create(*, new_prefix: bool, as_json: bool) -> None:
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
    typer.echo(f"Created {', '.join(created)}." if created else "All topics exist already.")
    if differences:
        show(*differences_view(differences))


def check(*, as_json: bool) -> None:
    """Compare the topics with what whopays needs."""
    settings = load_settings()
    with reaching(settings):
        asyncio.run(_insist_on_prefix(settings))
        differences = asyncio.run(check_topics(settings))
    if as_json:
        print_json({"differences": _documents(differences)})
    elif differences:
        show(*differences_view(differences))
    else:
        typer.echo("All topics are as they should be.")
    if differences:
        raise typer.Exit(FAILED)


async def _insist_on_prefix(settings: Settings) -> None:
    """Raise OtherPrefix if the database has topics with another prefix; pass if there is no database."""
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


def differences_view(differences: list[Difference]) -> list[RenderableType]:
    """Render each difference, and what to do about it on a separate line that can be copied."""
    lines: list[RenderableType] = [Text("What differs", style="bold")]
    for one in differences:
        found, wanted = Text(one.found, style="red"), Text(one.wanted, style="green")
        said = Text.assemble((f"{one.topic}  ", "bold"), f"{one.what}: found ", found, ", wanted ", wanted)
        lines += [Text.assemble(said, overflow="fold"), copyable(one.remedy)]
    return lines
