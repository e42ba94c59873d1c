"""What all questions of a server share: connections, what it knows of the installation, and whether it is stopping."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncEngine

from db.questions.snapshots import Snapshot
from db.reading import ReadingPool, create_reading_engine, reading_pool
from db.shards import shard_of
from service.metrics import ServiceMetrics
from workers.runtime.settings import Settings


@dataclass(slots=True)
class State:
    """A server's state. `known` is the latest snapshot of each shard that it answered from."""

    settings: Settings
    engine: AsyncEngine
    pool: ReadingPool
    metrics: ServiceMetrics
    stopping: asyncio.Event
    known: dict[int, Snapshot] = field(default_factory=dict)

    def shard_of(self, organization: str) -> int:
        """Return the shard of an organization."""
        return shard_of(organization, self.settings.shards)


@asynccontextmanager
async def opened(settings: Settings, stopping: asyncio.Event) -> AsyncIterator[State]:
    """Yield the state of a server, with its connections."""
    size, seconds = settings.database_pool_size, settings.serve_statement_seconds
    engine = create_reading_engine(settings.database_url, pool_size=size, statement_seconds=seconds)
    try:
        async with reading_pool(settings.database_url, pool_size=size, statement_seconds=seconds) as pool:
            yield State(settings, engine, pool, ServiceMetrics(), stopping)
    finally:
        await engine.dispose()
