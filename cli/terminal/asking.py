"""How the commands query the database."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from cli.terminal.failures import reaching
from db.engine import create_engine
from workers.runtime.settings import Settings

Answered = TypeVar("Answered")


def ask(settings: Settings, question: Callable[[AsyncConnection], Awaitable[Answered]]) -> Answered:
    """Run a query in one transaction, and commit it. Raises CommandFailed."""

    async def answer() -> Answered:
        engine = create_engine(settings.database_url, pool_size=1)
        try:
            async with engine.begin() as connection:
                return await question(connection)
        finally:
            await engine.dispose()

    with reaching(settings):
        return asyncio.run(answer())
