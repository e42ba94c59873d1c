"""Reports which sessions block another one, without the text of any statement, which may hold personal data."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class LockHolder:
    """A session that blocks another one; PostgreSQL may hide its state and start from unprivileged roles."""

    pid: int
    program: str
    state: str | None
    seconds: float | None
    table: str | None

    def __str__(self) -> str:
        known = [self.program, *([self.state] if self.state else [])]
        if self.seconds is not None:
            known.append(f"its transaction began {self.seconds:.0f} s ago")
        return f"session {self.pid} ({', '.join(known)}) holds {self.table or 'what it needs'}"


@asynccontextmanager
async def noting_lock_holders(
    engine: AsyncEngine, connection: AsyncConnection, holders: list[LockHolder]
) -> AsyncIterator[None]:
    """While the block runs, keep `holders` up to date with the sessions that block, or last blocked, the connection."""
    pid = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
    looking = asyncio.create_task(_poll(engine, pid, holders))
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


async def _poll(engine: AsyncEngine, pid: int, holders: list[LockHolder]) -> None:
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        while True:
            if found := (await connection.execute(_HOLDERS, {"pid": pid})).all():
                holders[:] = [LockHolder(*row) for row in found]
            await asyncio.sleep(_POLL_SECONDS)


# Process 0 stands for a prepared transaction.
_HOLDERS = text(
    """
    SELECT blocking.pid, coalesce(nullif(application_name, ''), backend_type, 'unknown') AS program, state,
        CAST(extract(epoch FROM clock_timestamp() - xact_start) AS double precision) AS seconds,
        (SELECT 'the table ' || CAST(CAST(relation AS regclass) AS text) FROM pg_locks
            WHERE pg_locks.pid = :pid AND NOT granted AND relation IS NOT NULL) AS "table"
    FROM (SELECT DISTINCT unnest(pg_blocking_pids(:pid)) AS pid) AS blocking LEFT JOIN pg_stat_activity USING (pid)
    ORDER BY seconds DESC NULLS LAST, pid
    """
)
