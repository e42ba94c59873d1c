"""The role `maintenance`, run in the test's own loop."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from workers.maintenance import Chore, Maintenance
from workers.runtime.metrics import Metrics
from workers.runtime.settings import Settings

SETTINGS = Settings(maintenance_seconds=0.01)
SELDOM = SETTINGS.model_copy(update={"maintenance_seconds": 3600.0})


@asynccontextmanager
async def at_work(
    engine: AsyncEngine,
    chores: Sequence[Chore],
    number: int = 1,
    metrics: Metrics | None = None,
    settings: Settings = SETTINGS,
) -> AsyncIterator[None]:
    """Run so many processes' roles with these chores for the length of a block."""
    stopping = asyncio.Event()
    roles = [Maintenance(engine, settings, metrics or Metrics(), stopping, chores) for _ in range(number)]
    running = [asyncio.create_task(role.run()) for role in roles]
    try:
        yield
    finally:
        stopping.set()
        await asyncio.gather(*running)


async def is_done(engine: AsyncEngine, chore: str) -> bool:
    """Return whether nothing was left of a chore at some time."""
    async with engine.connect() as connection:
        done = await connection.execute(text("SELECT done_at FROM chores WHERE chore = :chore"), {"chore": chore})
        return done.scalar_one_or_none() is not None


def usual_chores(engine: AsyncEngine) -> Sequence[Chore]:
    """Return the chores of this version."""
    return Maintenance(engine, SETTINGS, Metrics(), asyncio.Event())._chores
