"""The maintenance chore that moves old partitions of the log to the archive, some rows at a time."""

import time
from collections.abc import AsyncGenerator
from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from db.archive.catalog import Due, Part, may_take_out, next_due
from db.archive.writing import archive_partition
from db.replays import clock
from workers.runtime.archive import archive_of
from workers.runtime.metrics import Metrics
from workers.runtime.settings import Settings

_TURN_SECONDS = 1.0

logger = structlog.get_logger()


class NotAllowedToArchive(Exception):
    """This process uses a database role that may not remove anything from the log."""


class Archiving:
    """Archives one partition at a time; after any error it starts that partition over."""

    def __init__(self, engine: AsyncEngine, settings: Settings, metrics: Metrics) -> None:
        self._engine = engine
        self._settings = settings
        self._metrics = metrics
        self._store = archive_of(settings)
        self._working: AsyncGenerator[list[Part]] | None = None

    @property
    def is_working(self) -> bool:
        """Whether a partition is in progress."""
        return self._working is not None

    async def step(self) -> bool:
        """Work for about a second; return whether there may be more to do. Raises NotAllowedToArchive."""
        if self._store is None:
            return False
        if self._working is None:
            due = await self._due()
            if due is None:
                return False
            self._working = archive_partition(self._engine, self._store, self._settings.installation, due)
        working, self._working = self._working, None
        end = time.monotonic() + _TURN_SECONDS
        async for parts in working:
            if parts:
                self._tell(parts)
            elif time.monotonic() > end:
                self._working = working
                break
        return True

    async def _due(self) -> Due | None:
        async with self._engine.connect() as connection:
            now = await clock(connection)
            due = await next_due(connection, now - timedelta(days=self._settings.archive_after_days))
            if due is not None and not await may_take_out(connection):
                raise NotAllowedToArchive(
                    "WHOPAYS_ARCHIVE_URL is set, but this role of the database may not archive (docs/database-roles.md)"
                )
            return due

    def _tell(self, parts: list[Part]) -> None:
        rows, size = sum(part.rows for part in parts), sum(part.size for part in parts)
        self._metrics.archived(rows, size)
        logger.info("log_archived", manifest=parts[0].manifest, shards=len(parts), rows=rows, bytes=size)
