"""What the database says at a moment at which the test cannot await anything: while a callback is called."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine


def asked_meanwhile(engine: AsyncEngine, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """Execute a statement in a session of its own, and return its rows; nothing else in this process goes on."""
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)

    async def ask() -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(url)
        try:
            return [tuple(row) for row in await connection.fetch(statement, *values)]
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, ask()).result()


def left_open(engine: AsyncEngine, words: str) -> int:
    """Return how many sessions wait in a transaction whose last statement has these words."""
    ((count,),) = asked_meanwhile(engine, _LEFT_OPEN, words)
    return int(count)


_LEFT_OPEN = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND state = 'idle in transaction' AND strpos(query, $1) > 0
"""
