"""What is looked at now and then for the metrics alone, beside the work: it never ends or delays the work."""

import time
from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.errors import is_transient
from db.watching import first_after, overdue
from workers.runtime.metrics import Metrics

_OVERDUE_SECONDS = 2.0
_AGE_SECONDS = 1.0


class OverdueLook:
    """Notes every two seconds what is due and was not handled yet."""

    def __init__(self, engine: AsyncEngine, metrics: Metrics) -> None:
        self._engine = engine
        self._metrics = metrics
        self._next = 0.0

    async def look(self) -> None:
        """Look, unless that was done a moment ago. A database that is away is met by the work itself."""
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
    """Notes about once a second how old the first event is that is not published."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._next = 0.0

    async def look(self, connection: AsyncConnection, published: Mapping[int, int], left: int) -> None:
        """Look, unless nothing is `left`, or that was done a moment ago; `published` are the positions of shards."""
        if not left:
            self._metrics.oldest_unpublished(None)
        elif time.monotonic() >= self._next:
            self._next = time.monotonic() + _AGE_SECONDS
            first = await first_after(connection, published)
            self._metrics.oldest_unpublished(None if first is None else first.timestamp())
