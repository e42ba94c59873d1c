"""Runs statements on asyncpg directly: rows take a fraction of the time, and queries can do without SQLAlchemy."""

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
"""A connection that a statement can run on."""


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with named parameters, such as `:project`."""

    text: str


async def driver(connection: Connection) -> Any:
    """Return the asyncpg connection beneath a SQLAlchemy one, inside the same transaction, for COPY and `fetch`.

    With the isolation level `AUTOCOMMIT` there is no transaction. An asyncpg connection is returned as it is.
    """
    if isinstance(connection, asyncpg.Connection):
        return connection
    raw = (await connection.get_raw_connection()).driver_connection
    if raw is not None and not raw.is_in_transaction() and not _is_autocommit(connection):
        # SQLAlchemy only begins its transaction with the first statement.
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
    """Run a statement as `fetch` does, and yield its rows `size` at a time.

    It uses a server-side cursor, so memory does not grow with the number of rows. The transaction must stay open.
    """
    query, names = _numbered(statement.text)
    cursor = await (await driver(connection)).cursor(query, *(values[name] for name in names))
    while rows := await cursor.fetch(size):
        yield rows


async def read_instants(connection: Driver) -> None:
    """Have every instant that Python can represent written unchanged, and read with a time zone.

    asyncpg treats the first and last instants of the calendar as infinite and returns them without a time zone, so
    comparing them with any other raises.
    """
    await connection.set_type_codec(
        "timestamptz", schema="pg_catalog", encoder=_microseconds_of, decoder=_instant_of, format="tuple"
    )


def _microseconds_of(instant: datetime) -> tuple[int]:
    since = instant - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds,)


def _instant_of(microseconds: tuple[int]) -> datetime:
    # Infinite: a shard that has assigned no instant; earlier versions also wrote it for the calendar's ends.
    return _INFINITE.get(microseconds[0]) or _EPOCH + timedelta(microseconds=microseconds[0])


_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_INFINITE = {-(2**63): datetime.min.replace(tzinfo=UTC), 2**63 - 1: datetime.max.replace(tzinfo=UTC)}


def _is_autocommit(connection: "AsyncConnection") -> bool:
    options = connection.sync_connection.get_execution_options() if connection.sync_connection else {}
    return options.get("isolation_level") == "AUTOCOMMIT"


@cache
def _numbered(sql: str) -> tuple[str, list[str]]:
    """Return a statement with numbered parameters, as PostgreSQL wants them, and the names in that order."""
    names = list(dict.fromkeys(_PARAMETER.findall(sql)))
    return _PARAMETER.sub(lambda found: f"${names.index(found.group(1)) + 1}", sql), names


_PARAMETER = re.compile(r"(?<!:):(\w+)")
