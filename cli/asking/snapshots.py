"""Snapshots for questions about an organization: one, or a new one after every commit.

They use the driver's own connections, without the workers' settings, because a command that queries must start fast.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from db.connecting import connect_to_ask
from db.driver import Driver
from db.placing import shard_of
from db.questions.snapshots import Snapshot, snapshot_of


@asynccontextmanager
async def one_snapshot(database_url: str, organization: str) -> AsyncIterator[tuple[Driver, Snapshot]]:
    """Yield a connection in a read-only transaction that is one snapshot, and the snapshot of an organization."""
    connection = await connect_to_ask(database_url)
    try:
        async with _snapshot(connection, organization) as known:
            yield connection, known
    finally:
        await connection.close()


async def snapshots(database_url: str, organization: str) -> AsyncGenerator[tuple[Driver, Snapshot]]:
    """Yield a snapshot at once, and another whenever the organization's shard has advanced.

    Commits wake it, as they do the relay; where they cannot, as on a replica, it polls.
    """
    from db.engine import create_engine  # noqa: PLC0415 - only for --watch
    from service.waking import Waking  # noqa: PLC0415 - likewise

    engine = create_engine(database_url, pool_size=1)
    waking = Waking(engine)
    run = asyncio.create_task(waking.run())
    try:
        async with waking.watching():
            while True:
                async with one_snapshot(database_url, organization) as (connection, known):
                    yield connection, known
                while waking.positions.get(known.shard, 0) <= known.position:
                    await waking.next_look()
    finally:
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        await engine.dispose()


@asynccontextmanager
async def _snapshot(connection: Driver, organization: str) -> AsyncIterator[Snapshot]:
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        # Read from the database, not from the settings: with a wrong number of shards, answers would be wrong.
        installation = await connection.fetchrow("SELECT first_shard, shards - first_shard AS shards FROM installation")
        yield await snapshot_of(connection, shard_of(organization, installation["shards"], installation["first_shard"]))
