"""Read-only connections: sessions that cannot write, with a time limit on each statement."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from db.address import connect_arguments
from db.connecting import INDEXES_ONLY, connect
from db.driver import read_instants
from db.engine import create_engine

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class ReadingPool:
    """A pool of the driver's own connections: made on demand, kept, and lent most recently used first.

    It does less than asyncpg's pool: a read-only session has no state to reset, and resetting it took a third of the
    time of a query for one project.
    """

    def __init__(self, connect: Callable[[], Awaitable[Connection]], size: int) -> None:
        self._connect = connect
        self._room = asyncio.Semaphore(size)
        self._free: list[Connection] = []
        self._made: set[Connection] = set()

    @property
    def in_use(self) -> int:
        """How many connections are in use."""
        return len(self._made) - len(self._free)

    @property
    def idle(self) -> int:
        """How many connections are free."""
        return len(self._free)

    @asynccontextmanager
    async def acquire(self, *, wait_seconds: float | None = None) -> AsyncIterator[Connection]:
        """Lend a connection for a `with` block; wait at most `wait_seconds` for it. Raises TimeoutError."""
        connection = await self._take(wait_seconds)
        is_sound = False
        try:
            yield connection
            is_sound = True
        except Exception:
            is_sound = True
            raise
        finally:
            # After a cancellation it may be in the middle of a statement.
            self._give_back(connection, is_sound=is_sound)

    def terminate(self) -> None:
        """Close all connections immediately."""
        for connection in self._made:
            connection.terminate()
        self._made.clear()
        self._free.clear()

    async def _take(self, seconds: float | None) -> Connection:
        async with asyncio.timeout(seconds):
            await self._room.acquire()
        try:
            while self._free:
                connection = self._free.pop()
                if not connection.is_closed():
                    return connection
                self._made.discard(connection)
            async with asyncio.timeout(seconds):
                connection = await self._connect()
        except BaseException:
            self._room.release()
            raise
        self._made.add(connection)
        return connection

    def _give_back(self, connection: Connection, *, is_sound: bool) -> None:
        self._room.release()
        if is_sound and not connection.is_closed() and not connection.is_in_transaction():
            self._free.append(connection)
        else:
            connection.terminate()
            self._made.discard(connection)


def create_reading_engine(database_url: str, *, pool_size: int, statement_seconds: float) -> AsyncEngine:
    """Return an engine whose transactions are read-only, each with one snapshot. Raises BadAddress."""
    engine = create_engine(database_url, pool_size=pool_size, session=_session(statement_seconds))
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


@asynccontextmanager
async def reading_pool(database_url: str, *, pool_size: int, statement_seconds: float) -> AsyncIterator[ReadingPool]:
    """Yield a pool of the driver's own connections, for queries of one statement, which is its own snapshot.

    Connections are made on demand, so that an unreachable database fails queries and not the process.
    """
    arguments = connect_arguments(database_url) | {"command_timeout": statement_seconds + _GRACE_SECONDS}
    arguments["server_settings"] |= _session(statement_seconds) | INDEXES_ONLY | _IN_ORDER

    async def reading() -> Connection:
        connection = await connect(**arguments)
        await read_instants(connection)
        # As a connection setting, it would make a primary look read-only to `target_session_attrs`.
        await connection.execute("SET default_transaction_read_only = on")
        return connection

    pool = ReadingPool(reading, pool_size)
    try:
        yield pool
    finally:
        pool.terminate()


def _session(statement_seconds: float) -> dict[str, str]:
    return {
        "timezone": "UTC",
        "statement_timeout": f"{statement_seconds * 1000:.0f}ms",
        "idle_in_transaction_session_timeout": "60s",
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
    }


_IN_ORDER = {"enable_bitmapscan": "off", "enable_sort": "off"}
"""Settings of sessions that read pages and streams: rows come in index order, and no more are read than wanted."""
_GRACE_SECONDS = 2.0
"""How much longer than the server's own limit the driver waits for a statement, in case the server is gone."""
