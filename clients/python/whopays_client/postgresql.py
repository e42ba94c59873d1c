"""A store in PostgreSQL; needs `whopays-client[postgresql]`."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg


class PostgreSQLStore:
    """A table in the application's PostgreSQL database. A transaction is an `asyncpg.Connection` inside one.

    `pool` is an open `asyncpg.Pool`; `prepare` creates the `table`. Raises asyncpg.PostgresError, OSError.
    """

    def __init__(self, pool: Any, table: str = "whopays_client") -> None:
        self._pool: asyncpg.Pool = pool
        self._table = '"' + table.replace('"', '""') + '"'

    async def prepare(self) -> None:
        """Create the table if it does not exist."""
        async with self._pool.acquire() as connection, connection.transaction():
            # Concurrent CREATE TABLE IF NOT EXISTS can fail.
            await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", self._table)
            await connection.execute(f"CREATE TABLE IF NOT EXISTS {self._table} (key text PRIMARY KEY, value text)")

    @asynccontextmanager
    async def transaction(self, name: str) -> AsyncIterator[asyncpg.Connection]:
        """Begin a transaction; see `Store`."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"{self._table}/{name}")
            yield connection

    async def recall(self, transaction: asyncpg.Connection | None, keys: Sequence[str]) -> dict[str, str]:
        """Return the texts under keys; see `Store`."""
        rows = await (transaction or self._pool).fetch(
            f"SELECT key, value FROM {self._table} WHERE key = ANY($1)", list(keys)
        )
        return {row["key"]: row["value"] for row in rows}

    async def remember(self, transaction: asyncpg.Connection, values: Mapping[str, str]) -> None:
        """Write texts; see `Store`."""
        await transaction.execute(
            f"INSERT INTO {self._table} SELECT * FROM unnest($1::text[], $2::text[]) "
            "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            list(values),
            list(values.values()),
        )
