"""A store in PostgreSQL; needs `whopays-client[postgresql]`."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg


class PostgreSQLStore:
    """A table in a PostgreSQL database, beside one's own. A transaction is an `asyncpg.Connection` within one.

    `pool` is an open `asyncpg.Pool`; `table` the table's name, made by `prepare`. Raises asyncpg.PostgresError,
    OSError.
    """

    def __init__(self, pool: Any, table: str = "whopays_client") -> None:
        self._pool: asyncpg.Pool = pool
        self._table = '"' + table.replace('"', '""') + '"'

    async def prepare(self) -> None:
        """Make the table, where it is missing."""
        async with self._pool.acquire() as connection, connection.transaction():
            # Two that find it missing at once would get in each other's way.
            await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", self._table)
            await connection.execute(f"CREATE TABLE IF NOT EXISTS {self._table} (key text PRIMARY KEY, value text)")

    @asynccontextmanager
    async def transaction(self, name: str) -> AsyncIterator[asyncpg.Connection]:
        """Begin a transaction, as `Store` says."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"{self._table}/{name}")
            yield connection

    async def recall(self, transaction: asyncpg.Connection | None, keys: Sequence[str]) -> dict[str, str]:
        """Return what is known under keys, as `Store` says."""
        rows = await (transaction or self._pool).fetch(
            f"SELECT key, value FROM {self._table} WHERE key = ANY($1)", list(keys)
        )
        return {row["key"]: row["value"] for row in rows}

    async def remember(self, transaction: asyncpg.Connection, values: Mapping[str, str]) -> None:
        """Write texts, as `Store` says."""
        await transaction.execute(
            f"INSERT INTO {self._table} SELECT * FROM unnest($1::text[], $2::text[]) "
            "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            list(values),
            list(values.values()),
        )
