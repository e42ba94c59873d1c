"""Occasional database queries for the metrics alone; they never fail or delay the work itself."""

import time
from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.errors import is_transient
from db.watching import first_after, overdue
from workers.runtime.metrics import Metrics

_OVERDUE_SECONDS = 2.0
_AGE_SECONDS = 1.0


class OverdueLook:
    """Reports every two seconds what is overdue."""

    def __init__(self, engine: AsyncEngine, metrics: Metrics) -> None:
        self._engine = engine
        self._metrics = metrics
        self._next = 0.0

    async def look(self) -> None:
        """Query, at most once per interval. If the database is unavailable, the work itself deals with that."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _OVERDUE_SECONDS
        try:
            async with self._engine.connect() as connection:
                self._metrics.overdue(await overdue(connection))
        except Exception as error:
            if not is_transient(error):
                raise


class AgeLook:
    """Reports about once a second the instant of the oldest unpublished event."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._next = 0.0

    async def look(self, connection: AsyncConnection, published: Mapping[int, int], left: int) -> None:
        """Query, if anything is `left`, at most once per interval; `published` maps shards to published positions."""
        if not left:
            self._metrics.oldest_unpublished(None)
        elif time.monotonic() >= self._next:
            self._next = time.monotonic() + _AGE_SECONDS
            first = await first_after(connection, published)
            self._metrics.oldest_unpublished(None if first is None else first.timestamp())
