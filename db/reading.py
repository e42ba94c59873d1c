"""Connections for those who only read: sessions that cannot write, each statement bounded in time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.address import DatabaseUnreachable, connect_arguments
from db.engine import INDEXES_ONLY, create_engine, read_instants

ReadingPool: TypeAlias = asyncpg.Pool


def create_reading_engine(database_url: str, *, pool_size: int, statement_seconds: float) -> AsyncEngine:
    """Return an engine whose transactions are one snapshot, and cannot write. Raises BadAddress."""
    engine = create_engine(database_url, pool_size=pool_size, session=_session(statement_seconds))
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


@asynccontextmanager
async def reading_pool(database_url: str, *, pool_size: int, statement_seconds: float) -> AsyncIterator[ReadingPool]:
    """Yield a pool of the driver's own connections, for questions that are one statement: a statement is a snapshot.

    Connections are made when they are needed, so that a database that is away fails questions and not the process.
    """
    arguments = connect_arguments(database_url)
    arguments["server_settings"] |= _session(statement_seconds) | INDEXES_ONLY | _IN_ORDER
    pool = asyncpg.create_pool(
        min_size=0,
        max_size=pool_size,
        init=read_instants,
        reset=_nothing,
        connect=_connect,
        command_timeout=statement_seconds + _GRACE_SECONDS,
        **arguments,
    )
    await pool
    try:
        yield pool
    finally:
        pool.terminate()


async def installation_shards(connection: AsyncConnection) -> int:
    """Return how many shards the installation was made with."""
    return int((await connection.exec_driver_sql("SELECT shards FROM installation")).scalar_one())


def _session(statement_seconds: float) -> dict[str, str]:
    return {
        "timezone": "UTC",
        "default_transaction_read_only": "on",
        "statement_timeout": f"{statement_seconds * 1000:.0f}ms",
        "idle_in_transaction_session_timeout": "60s",
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
    }


async def _connect(*arguments: Any, **named: Any) -> "asyncpg.Connection[asyncpg.Record]":
    try:
        return await asyncpg.connect(*arguments, **named)
    except OSError as error:
        raise DatabaseUnreachable(str(error) or type(error).__name__) from error


async def _nothing(_: Any) -> None:
    """Leave a session as it is: a single statement that reads changes nothing in it."""


_IN_ORDER = {"enable_bitmapscan": "off", "enable_sort": "off"}
"""Settings of sessions that read pages and streams: in the order of an index, and no more of it than is wanted."""
_GRACE_SECONDS = 2.0
"""How much longer than the server's own limit the driver waits for a statement: only for a server that is gone."""
