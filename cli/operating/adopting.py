"""`whopays topics adopt`, `reread` and `restore-positions`: for topics that were replaced or lost records."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from cli.terminal.asking import ask
from cli.terminal.ending import CommandFailed
from cli.terminal.failures import reaching
from cli.terminal.installation import load_settings
from cli.terminal.names import topic_named
from cli.terminal.output import count_of, print_json
from cli.terminal.touching import name_what_is_touched
from db.engine import create_engine
from db.published import forget_published
from db.reading_positions import forget_reading
from db.revisions import check as check_database
from schemas.topics import INPUT_TOPICS
from workers.publishing.packing import LogDamaged
from workers.publishing.restoring import restore_positions as restore
from workers.runtime.settings import Settings
from workers.topics.admission import adopt as adopt_topics
from workers.topics.admission import insist_on_prefix


def adopt(*, publish_again: bool, as_json: bool) -> None:
    """Accept the topics as they are now; stop the workers first."""
    settings = load_settings()
    name_what_is_touched(settings)

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
    for change in changes or ["The topics have not changed."]:
        typer.echo(change)
    if publish_again:
        typer.echo("The relay publishes from where relay-positions says, and from the beginning where it is empty.")


def reread(*, topic: str, is_sure: bool, as_json: bool) -> None:
    """Make an input topic be read again from its beginning."""
    settings = load_settings()
    name = settings.topic(topic_named(topic, settings, INPUT_TOPICS, "input"))
    name_what_is_touched(settings)
    if not is_sure:
        typer.confirm(f"Read {name} from its beginning when the workers start again?", abort=True, err=True)
    partitions = ask(settings, lambda connection: forget_reading(connection, name))
    if as_json:
        print_json({"topic": name, "partitions": partitions})
    else:
        typer.echo(f"Forgot how far {name} was read, in {count_of(partitions, 'partition')}. Restart the workers.")


def restore_positions(*, as_json: bool) -> None:
    """Set the relay's positions to what the topics contain; stop the relay first."""
    settings = load_settings()
    name_what_is_touched(settings)

    async def work() -> dict[int, tuple[int, int]]:
        async with _database(settings) as engine:
            await insist_on_prefix(engine, settings)
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
        typer.echo(f"Shard {shard} is published up to {is_}; its position was {was}.")
    if not moved:
        typer.echo("No position is behind what is published.")


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(settings.database_url, pool_size=1)
    try:
        await check_database(engine, settings.installation, settings.shards, settings.first_shard, is_disposable=True)
        yield engine
    finally:
        await engine.dispose()
