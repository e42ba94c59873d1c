"""Statements put to asyncpg itself, whose rows take a fraction of the time; who only asks does without SQLAlchemy."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg

if TYPE_CHECKING:
    from sqlalchemy import TextClause
    from sqlalchemy.ext.asyncio import AsyncConnection

Driver: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Connection: TypeAlias = "AsyncConnection | Driver"
"""Whatever a question can be put to."""


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with parameters by name, such as `:project`."""

    text: str


async def driver(connection: Connection) -> Any:
    """Return the asyncpg connection beneath a SQLAlchemy one, inside the same transaction, for COPY and `fetch`.

    A connection with the isolation level `AUTOCOMMIT` has no transaction. A connection of asyncpg's own is returned as
    it is.
    """
    if isinstance(connection, asyncpg.Connection):
        return connection
    raw = (await connection.get_raw_connection()).driver_connection
    if raw is not None and not raw.is_in_transaction() and not _commits_by_itself(connection):
        # SQLAlchemy begins its transaction with its first statement.
        await connection.exec_driver_sql("SELECT")
    return raw


async def fetch(
    connection: Connection, statement: "Statement | TextClause", /, **values: Any
) -> list[Mapping[str, Any]]:
    """Run a statement and return its rows."""
    query, names = _numbered(statement.text)
    rows: list[Mapping[str, Any]] = await (await driver(connection)).fetch(query, *(values[name] for name in names))
    return rows


async def fetch_in_parts(
    connection: Connection, statement: Statement, size: int, /, **values: Any
) -> AsyncIterator[list[Mapping[str, Any]]]:
    """Run a statement as `fetch` does, and yield its rows as they are read, `size` at a time.

    The server keeps its place, so that memory does not grow with the number of rows. The transaction must stay open.
    """
    query, names = _numbered(statement.text)
    cursor = await (await driver(connection)).cursor(query, *(values[name] for name in names))
    while rows := await cursor.fetch(size):
        yield rows


async def read_instants(connection: Driver) -> None:
    """Make every instant that Python can hold be written as it is, and read with a time zone.

    asyncpg treats the first and the last instant of the calendar as infinite and returns them without a time zone, so
    that comparing them with any other raises.
    """
    await connection.set_type_codec(
        "timestamptz", schema="pg_catalog", encoder=_microseconds_of, decoder=_instant_of, format="tuple"
    )


def _microseconds_of(instant: datetime) -> tuple[int]:
    since = instant - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds,)


def _instant_of(microseconds: tuple[int]) -> datetime:
    # Infinite: written by earlier versions for the ends of the calendar, and by a shard that has given out no instant.
    return _INFINITE.get(microseconds[0]) or _EPOCH + timedelta(microseconds=microseconds[0])


_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_INFINITE = {-(2**63): datetime.min.replace(tzinfo=UTC), 2**63 - 1: datetime.max.replace(tzinfo=UTC)}


def _commits_by_itself(connection: "AsyncConnection") -> bool:
    options = connection.sync_connection.get_execution_options() if connection.sync_connection else {}
    return options.get("isolation_level") == "AUTOCOMMIT"


@cache
def _numbered(sql: str) -> tuple[str, list[str]]:
    """Return a statement with numbered parameters, as PostgreSQL wants them, and their former names in order."""
    names = list(dict.fromkeys(_PARAMETER.findall(sql)))
    return _PARAMETER.sub(lambda found: f"${names.index(found.group(1)) + 1}", sql), names


_PARAMETER = re.compile(r"(?<!:):(\w+)")
