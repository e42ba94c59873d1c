"""Snapshots for questions about an organization: one, or another whenever something was committed."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.audit import snapshot
from db.engine import create_engine
from db.questions.snapshots import Snapshot, snapshot_of
from db.revisions import check
from db.shards import shard_of
from service.waking import Waking
from workers.runtime.settings import Settings

_PATIENCE = text("SET LOCAL idle_in_transaction_session_timeout = '10min'")
"""Whoever reads the output may pause, as in a pager, and the snapshot is held meanwhile."""


@asynccontextmanager
async def one_snapshot(settings: Settings, organization: str) -> AsyncIterator[tuple[AsyncConnection, Snapshot]]:
    """Yield a connection whose transaction is one snapshot and cannot write. Raises DatabaseRefused."""
    async with _checked_engine(settings, 1) as engine, snapshot(engine) as connection:
        await connection.execute(_PATIENCE)
        yield connection, await snapshot_of(connection, shard_of(organization, settings.shards))


async def snapshots(settings: Settings, organization: str) -> AsyncGenerator[tuple[AsyncConnection, Snapshot]]:
    """Yield a snapshot at once, and another whenever the organization's shard has moved on. Raises DatabaseRefused.

    Commits wake it, as they do the relay; where they cannot, as on a replica, it looks every now and then.
    """
    async with _checked_engine(settings, 2) as engine:
        shard = shard_of(organization, settings.shards)
        waking = Waking(engine)
        run = asyncio.create_task(waking.run())
        try:
            async with waking.watching():
                while True:
                    async with snapshot(engine) as connection:
                        known = await snapshot_of(connection, shard)
                        yield connection, known
                    while waking.positions.get(shard, 0) <= known.position:
                        await waking.next_look()
        finally:
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)


@asynccontextmanager
async def _checked_engine(settings: Settings, pool_size: int) -> AsyncIterator[AsyncEngine]:
    """Yield an engine on the installation that is meant: with another number of shards, answers would be wrong."""
    engine = create_engine(settings.database_url, pool_size=pool_size)
    try:
        await check(engine, settings.installation, settings.shards, only_reads=True)
        yield engine
    finally:
        await engine.dispose()
