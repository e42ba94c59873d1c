"""What commands share that name things and ask the database about them."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Annotated, TypeVar

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from cli.terminal.ending import Misused
from cli.terminal.failures import reaching
from db.engine import create_engine
from schemas.topics import Topic
from workers.runtime.settings import Settings

Organization = Annotated[str, typer.Argument(help="The organization's name.", metavar="ORG", show_default=False)]
Account = Annotated[str, typer.Argument(help="The account's name.", metavar="ACCOUNT", show_default=False)]
Project = Annotated[str, typer.Argument(help="The project's name.", metavar="PROJECT", show_default=False)]

Answered = TypeVar("Answered")


def topic_named(word: str, settings: Settings, topics: Collection[Topic], kind: str) -> Topic:
    """Return the topic, one of `topics`, that a word names with or without its prefix. Raises Misused."""
    for topic in topics:
        if word in {topic, settings.topic(topic)}:
            return topic
    raise Misused(f"{word} is not an {kind} topic of this installation; these are {', '.join(topics)}.")


def ask(settings: Settings, question: Callable[[AsyncConnection], Awaitable[Answered]]) -> Answered:
    """Put a question to the database, in one transaction, which commits. Raises CommandFailed."""

    async def answer() -> Answered:
        engine = create_engine(settings.database_url, pool_size=1)
        try:
            async with engine.begin() as connection:
                return await question(connection)
        finally:
            await engine.dispose()

    with reaching(settings):
        return asyncio.run(answer())
