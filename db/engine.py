"""Connections to PostgreSQL, with the limits that keep a stuck client from holding the shards of others."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import Any

import asyncpg
from sqlalchemy import TextClause, event, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from db.address import DatabaseUnreachable, connect_arguments, engine_url
from db.connecting import connect

_COMMAND_SECONDS = 90.0
INDEXES_ONLY = {"enable_hashjoin": "off", "enable_mergejoin": "off"}
"""Settings of sessions that look up a few thousand rows by key in ever-growing tables.

They need index lookups, not the scans that a planner may choose because it cannot estimate the length of an array.
"""
_SESSION = {
    "timezone": "UTC",
    "statement_timeout": "45s",
    "lock_timeout": "30s",
    "idle_in_transaction_session_timeout": "30s",
    # Only this limit ends a transaction whose client hangs in the middle of a statement.
    "transaction_timeout": "60s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    **INDEXES_ONLY,
}


def create_engine(database_url: str, *, pool_size: int = 5, session: Mapping[str, str] | None = None) -> AsyncEngine:
    """Return an engine; connections are checked before use. Raises BadAddress.

    `session` are settings of each session, instead of those that workers need.
    """
    arguments = connect_arguments(database_url)
    arguments["server_settings"] |= _SESSION if session is None else session
    engine = create_async_engine(
        engine_url(database_url),
        pool_size=pool_size,
        max_overflow=0,
        pool_pre_ping=True,
        async_creator=partial(connect, command_timeout=_COMMAND_SECONDS, **arguments),
    )
    event.listen(engine.sync_engine, "connect", _set_up_instants)
    event.listen(engine.sync_engine, "connect", _note_server)
    event.listen(engine.sync_engine, "handle_error", _give_up_what_cannot_begin)
    event.listen(engine.sync_engine, "handle_error", _say_whose_it_is)
    return engine


@asynccontextmanager
async def listening_connection(database_url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Yield a connection outside the pool, for LISTEN; it is dropped, not closed, since the server may be gone."""
    connection = await connect(**connect_arguments(database_url))
    try:
        yield connection
    finally:
        connection.terminate()


def server_of(connection: AsyncConnection) -> str:
    """Return what tells a run of a database server from any other, and from a restored one."""
    server: str = connection.info[_SERVER]
    return server


async def driver(connection: "AsyncConnection | asyncpg.Connection[asyncpg.Record]") -> Any:
    """Return the asyncpg connection beneath a SQLAlchemy one, inside the same transaction, for COPY and `fetch`.

    A connection with the isolation level `AUTOCOMMIT` has no transaction. A connection of asyncpg's own is returned as
    it is: whoever only asks does without SQLAlchemy.
    """
    if not isinstance(connection, AsyncConnection):
        return connection
    raw = (await connection.get_raw_connection()).driver_connection
    if raw is not None and not raw.is_in_transaction() and not _commits_by_itself(connection):
        # SQLAlchemy begins its transaction with its first statement.
        await connection.execute(_NOTHING)
    return raw


async def fetch(
    connection: "AsyncConnection | asyncpg.Connection[asyncpg.Record]", statement: TextClause, /, **values: Any
) -> list[Mapping[str, Any]]:
    """Run a statement of the hot path on asyncpg itself, whose rows take a fraction of the time; return its rows."""
    query, names = _numbered(statement)
    rows: list[Mapping[str, Any]] = await (await driver(connection)).fetch(query, *(values[name] for name in names))
    return rows


async def fetch_in_parts(
    connection: "AsyncConnection | asyncpg.Connection[asyncpg.Record]",
    statement: TextClause,
    size: int,
    /,
    **values: Any,
) -> AsyncIterator[list[Mapping[str, Any]]]:
    """Run a statement as `fetch` does, and yield its rows as they are read, `size` at a time.

    The server keeps its place, so that memory does not grow with the number of rows. The transaction must stay open.
    """
    query, names = _numbered(statement)
    cursor = await (await driver(connection)).cursor(query, *(values[name] for name in names))
    while rows := await cursor.fetch(size):
        yield rows


async def read_instants(driver: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Make every instant that Python can hold be written as it is, and read with a time zone.

    asyncpg treats the first and the last instant of the calendar as infinite and returns them without a time zone, so
    that comparing them with any other raises.
    """
    await driver.set_type_codec(
        "timestamptz", schema="pg_catalog", encoder=_microseconds_of, decoder=_instant_of, format="tuple"
    )


def _say_whose_it_is(context: ExceptionContext) -> None:
    """Make a network error during a statement say that it is the database's."""
    error = context.original_exception
    if isinstance(error, OSError) and not isinstance(error, DatabaseUnreachable):
        raise DatabaseUnreachable(str(error) or type(error).__name__) from error


def _set_up_instants(connection: Any, _record: object) -> None:
    connection.run_async(read_instants)


def _note_server(connection: Any, record: Any) -> None:
    record.info[_SERVER] = connection.run_async(lambda driver: driver.fetchval(_WHICH_SERVER))


def _microseconds_of(instant: datetime) -> tuple[int]:
    since = instant - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds,)


def _instant_of(microseconds: tuple[int]) -> datetime:
    # Infinite: written by earlier versions for the ends of the calendar, and by a shard that has given out no instant.
    return _INFINITE.get(microseconds[0]) or _EPOCH + timedelta(microseconds=microseconds[0])


_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_INFINITE = {-(2**63): datetime.min.replace(tzinfo=UTC), 2**63 - 1: datetime.max.replace(tzinfo=UTC)}


def _give_up_what_cannot_begin(context: ExceptionContext) -> None:
    """Replace a connection whose BEGIN once failed, perhaps by cancellation: asyncpg only sets savepoints on it."""
    if getattr(context.original_exception, "sqlstate", None) == asyncpg.NoActiveSQLTransactionError.sqlstate:
        context.is_disconnect = True
        context.invalidate_pool_on_disconnect = False


def _commits_by_itself(connection: AsyncConnection) -> bool:
    options = connection.sync_connection.get_execution_options() if connection.sync_connection else {}
    return options.get("isolation_level") == "AUTOCOMMIT"


@cache
def _numbered(statement: TextClause) -> tuple[str, list[str]]:
    """Return a statement with numbered parameters, as PostgreSQL wants them, and their former names in order."""
    names = list(dict.fromkeys(_PARAMETER.findall(statement.text)))
    return _PARAMETER.sub(lambda found: f"${names.index(found.group(1)) + 1}", statement.text), names


_SERVER = "server"
_WHICH_SERVER = """
SELECT concat_ws('/', pg_postmaster_start_time(), inet_server_addr(), inet_server_port(), oid)
FROM pg_database WHERE datname = current_database()
"""
_PARAMETER = re.compile(r"(?<!:):(\w+)")
_NOTHING = text("SELECT")
