"""A store in a SQLite file, for one host."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

_LONGEST_WAIT_SECONDS = 60.0
_VARIABLES = 500


class SQLiteStore:
    """A SQLite file, which may also contain the application's tables. A transaction is a `sqlite3.Connection`.

    `path` is the file, created if missing; `table` stores this library's state. A file has one writer at a time: to
    wait for one subscriber while handling a change of another, give each its own file.

    Raises sqlite3.Error; `OperationalError` if another process locks the file for more than a minute.
    """

    def __init__(self, path: str | Path, table: str = "whopays_client") -> None:
        self._path = Path(path)
        self._table = table
        self._writing = asyncio.Lock()
        self._writer = self._connected()
        self._reader = self._connected()
        self._writer.execute("PRAGMA journal_mode = WAL")
        self._writer.execute(f'CREATE TABLE IF NOT EXISTS "{table}" (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID')

    def close(self) -> None:
        """Close the file."""
        self._writer.close()
        self._reader.close()

    @asynccontextmanager
    async def transaction(self, name: str) -> AsyncIterator[sqlite3.Connection]:  # noqa: ARG002 - there is one writer
        """Begin a transaction; see `Store`."""
        async with self._writing:
            try:
                # In a thread, because it may have to wait for another process, and at the end for the disk.
                await _to_the_end(self._writer, "BEGIN IMMEDIATE")
                yield self._writer
                await _to_the_end(self._writer, "COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    async def recall(self, transaction: sqlite3.Connection | None, keys: Sequence[str]) -> dict[str, str]:
        """Return the texts under keys; see `Store`."""
        connection = transaction or self._reader
        found: dict[str, str] = {}
        for first in range(0, len(keys), _VARIABLES):
            some = keys[first : first + _VARIABLES]
            marks = ", ".join("?" * len(some))
            found |= connection.execute(f'SELECT key, value FROM "{self._table}" WHERE key IN ({marks})', some)
        return found

    async def remember(self, transaction: sqlite3.Connection, values: Mapping[str, str]) -> None:
        """Write texts; see `Store`."""
        transaction.executemany(
            f'INSERT INTO "{self._table}" VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
            values.items(),
        )

    def _connected(self) -> sqlite3.Connection:
        # Without the module's implicit transactions.
        return sqlite3.connect(self._path, timeout=_LONGEST_WAIT_SECONDS, isolation_level=None, check_same_thread=False)


async def _to_the_end(connection: sqlite3.Connection, statement: str) -> None:
    """Run a statement in a thread; a cancellation is raised only once it is done, so that its effect is known."""
    running = asyncio.ensure_future(asyncio.to_thread(connection.execute, statement))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait({running})
        raise
