"""Closing idle shards: about once a second the relay raises their last instants (docs/decisions/0021)."""

import time
from collections import Counter
from datetime import UTC, datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.errors import is_transient
from db.raising import raise_busy, raise_idle

RAISE_SECONDS = 1.0
_WARN_AGAIN_SECONDS = 60.0
_PATIENCE = 3
"""How many times in a row a shard is skipped before the relay waits for its lock."""

logger = structlog.get_logger()


class IdleShards:
    """Raises shards that no transaction is writing to, and occasionally one that is always being written to."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._raised = 0.0
        self._warned_at = -_WARN_AGAIN_SECONDS
        self._skipped: Counter[int] = Counter()

    async def raise_them(self, connection: AsyncConnection) -> None:
        """Raise idle shards when it is time; the connection must be in autocommit."""
        if time.monotonic() - self._raised < RAISE_SECONDS:
            return
        self._raised = time.monotonic()
        raised = await raise_idle(connection, datetime.now(UTC))
        if raised.is_apart:
            self._warn(raised.ahead.total_seconds())
            return
        self._skipped = Counter({shard: self._skipped[shard] + 1 for shard in raised.skipped})
        for shard, times in self._skipped.most_common(1):
            if times >= _PATIENCE:
                del self._skipped[shard]
                await self._wait_for(shard)

    async def _wait_for(self, shard: int) -> None:
        try:
            async with self._engine.begin() as connection:
                await raise_busy(connection, shard, datetime.now(UTC))
        except Exception as error:
            if not is_transient(error):
                raise

    def _warn(self, ahead_seconds: float) -> None:
        if time.monotonic() - self._warned_at >= _WARN_AGAIN_SECONDS:
            self._warned_at = time.monotonic()
            logger.error("clocks_apart", database_ahead_seconds=round(ahead_seconds, 1))
