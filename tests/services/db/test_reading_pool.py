"""Connections of those who only read: kept, bounded in number, and ended where they may be busy."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from db.reading import Connection, ReadingPool, create_reading_engine, reading_pool
from embedded import Addresses
from tests.support.installations import database


@pytest_asyncio.fixture
async def pool(services: Addresses, template: str) -> AsyncIterator[ReadingPool]:
    """A pool of two connections."""
    async with (
        database(services, template) as (_, url),
        reading_pool(url, pool_size=2, statement_seconds=30) as made,
    ):
        yield made


async def server_process(connection: Connection) -> int:
    """Return what tells a connection from others."""
    return int(await connection.fetchval("SELECT pg_backend_pid()"))


async def lent(pool: ReadingPool) -> int:
    """Return the same of one that is lent for a moment."""
    async with pool.acquire() as connection:
        return await server_process(connection)


async def test_a_connection_is_kept_also_after_an_error(pool: ReadingPool) -> None:
    async with pool.acquire() as connection:
        first = await server_process(connection)
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        async with pool.acquire() as connection:
            await connection.execute("DELETE FROM projects")
    async with pool.acquire() as connection:
        assert await server_process(connection) == first


async def test_whoever_asks_for_a_primary_gets_one_and_cannot_write(services: Addresses, template: str) -> None:
    async with database(services, template) as (_, url):
        wanted = f"{url}?target_session_attrs=read-write"
        engine = create_reading_engine(wanted, pool_size=1, statement_seconds=30)
        try:
            async with engine.connect() as reading:
                with pytest.raises(DBAPIError, match="read-only transaction"):
                    await reading.execute(text("DELETE FROM projects"))
        finally:
            await engine.dispose()
        async with reading_pool(wanted, pool_size=1, statement_seconds=30) as pool, pool.acquire() as connection:
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                await connection.execute("DELETE FROM projects")


async def test_no_more_than_its_size_are_lent(pool: ReadingPool) -> None:
    async with pool.acquire() as one, pool.acquire() as other:
        assert await server_process(one) != await server_process(other)
        with pytest.raises(TimeoutError):
            async with pool.acquire(wait_seconds=0.01):
                pass
        waiting = asyncio.create_task(lent(pool))
        await asyncio.sleep(0)
        assert not waiting.done()
    assert await waiting > 0


async def test_what_may_be_in_the_middle_of_something_is_ended(pool: ReadingPool) -> None:
    held = asyncio.Event()

    async def ask() -> None:
        async with pool.acquire() as connection:
            held.set()
            await connection.execute("SELECT pg_sleep(60)")

    asking = asyncio.create_task(ask())
    await held.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    async with pool.acquire() as connection:
        first = await server_process(connection)
        await connection.execute("BEGIN")
    async with pool.acquire() as connection, pool.acquire() as other:
        assert first not in {await server_process(connection), await server_process(other)}


async def test_one_that_the_server_has_ended_is_replaced(pool: ReadingPool) -> None:
    async with pool.acquire() as ended, pool.acquire() as other:
        gone = await server_process(ended)
        with pytest.raises(asyncpg.ConnectionDoesNotExistError):
            await ended.fetchval("SELECT pg_terminate_backend($1)", gone)
        assert await server_process(other) > 0
    async with pool.acquire() as one, pool.acquire() as two:
        assert gone not in {await server_process(one), await server_process(two)}
