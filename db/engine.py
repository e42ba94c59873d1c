"""Connections to PostgreSQL, with limits that keep a stuck client from holding shard locks."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from db.address import DatabaseUnreachable, connect_arguments, engine_url
from db.connecting import COMMAND_SECONDS, SESSION, connect
from db.driver import read_instants


def create_engine(database_url: str, *, pool_size: int = 5, session: Mapping[str, str] | None = None) -> AsyncEngine:
    """Return an engine whose connections are checked before use. Raises BadAddress.

    `session` replaces the default session settings, which are those that workers need.
    """
    arguments = connect_arguments(database_url)
    arguments["server_settings"] |= SESSION if session is None else session
    engine = create_async_engine(
        engine_url(database_url),
        pool_size=pool_size,
        max_overflow=0,
        pool_pre_ping=True,
        async_creator=partial(connect, command_timeout=COMMAND_SECONDS, **arguments),
    )
    event.listen(engine.sync_engine, "connect", _set_up_instants)
    event.listen(engine.sync_engine, "connect", _note_server)
    event.listen(engine.sync_engine, "handle_error", _replace_broken)
    event.listen(engine.sync_engine, "handle_error", _as_unreachable)
    return engine


@asynccontextmanager
async def listening_connection(database_url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Yield a connection outside the pool, for LISTEN; it is aborted, not closed, since the server may be gone."""
    connection = await connect(**connect_arguments(database_url))
    try:
        yield connection
    finally:
        connection.terminate()


def server_of(connection: AsyncConnection) -> str:
    """Return an identifier of this run of this database server; a restarted or restored one has another."""
    server: str = connection.info[_SERVER]
    return server


def _as_unreachable(context: ExceptionContext) -> None:
    """Turn a network error during a statement into DatabaseUnreachable."""
    error = context.original_exception
    if isinstance(error, OSError) and not isinstance(error, DatabaseUnreachable):
        raise DatabaseUnreachable(str(error) or type(error).__name__) from error


def _set_up_instants(connection: Any, _record: object) -> None:
    connection.run_async(read_instants)


def _note_server(connection: Any, record: Any) -> None:
    record.info[_SERVER] = connection.run_async(lambda driver: driver.fetchval(_SERVER_IDENTITY))


def _replace_broken(context: ExceptionContext) -> None:
    """Replace a connection whose BEGIN once failed, perhaps by cancellation: asyncpg only sets savepoints on it."""
    if getattr(context.original_exception, "sqlstate", None) == asyncpg.NoActiveSQLTransactionError.sqlstate:
        context.is_disconnect = True
        context.invalidate_pool_on_disconnect = False


_SERVER = "server"
_SERVER_IDENTITY = """
SELECT concat_ws('/', pg_postmaster_start_time(), inet_server_addr(), inet_server_port(), oid)
FROM pg_database WHERE datname = current_database()
"""
