"""Snapshots for questions about an organization: one, or another whenever something was committed."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.engine import create_engine
from db.questions.snapshots import Snapshot, snapshot_of
from db.reading import installation_shards
from db.shards import shard_of
from workers.runtime.settings import Settings

_PATIENCE = text(
    """
    SELECT set_config(name, value, true)
    FROM (VALUES ('idle_in_transaction_session_timeout', '10min'), ('transaction_timeout', '0')) AS held (name, value)
    """
)
"""Whoever reads the output may pause, as in a pager, and the snapshot is held meanwhile."""


@asynccontextmanager
async def one_snapshot(settings: Settings, organization: str) -> AsyncIterator[tuple[AsyncConnection, Snapshot]]:
    """Yield a connection whose transaction is one snapshot and cannot write, and what it knows of an organization."""
    async with _engine(settings, 1) as engine, _snapshot(engine, organization) as found:
        yield found


async def snapshots(settings: Settings, organization: str) -> AsyncGenerator[tuple[AsyncConnection, Snapshot]]:
    """Yield a snapshot at once, and another whenever the organization's shard has moved on.

    Commits wake it, as they do the relay; where they cannot, as on a replica, it looks every now and then.
    """
    from service.waking import Waking  # noqa: PLC0415 - only for those who watch

    async with _engine(settings, 2) as engine:
        waking = Waking(engine)
        run = asyncio.create_task(waking.run())
        try:
            async with waking.watching():
                while True:
                    async with _snapshot(engine, organization) as (connection, known):
                        yield connection, known
                    while waking.positions.get(known.shard, 0) <= known.position:
                        await waking.next_look()
        finally:
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)


@asynccontextmanager
async def _engine(settings: Settings, pool_size: int) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(settings.database_url, pool_size=pool_size)
    try:
        yield engine
    finally:
        await engine.dispose()


@asynccontextmanager
async def _snapshot(engine: AsyncEngine, organization: str) -> AsyncIterator[tuple[AsyncConnection, Snapshot]]:
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        await connection.execute(_PATIENCE)
        # The installation itself says how many shards it has: with another number, answers would be wrong.
        shards = await installation_shards(connection)
        yield connection, await snapshot_of(connection, shard_of(organization, shards))
