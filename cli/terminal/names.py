"""What the commands that ask the database share: how organizations and accounts are named, and how it is asked."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from cli.terminal.failures import reaching
from db.engine import create_engine
from workers.runtime.settings import Settings

Organization = Annotated[str, typer.Argument(help="The organization's name.", metavar="ORG", show_default=False)]
Account = Annotated[str, typer.Argument(help="The account's name.", metavar="ACCOUNT", show_default=False)]

Answered = TypeVar("Answered")


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
