"""A guard: no database is written to before its shards' clocks are past the last watermark that readers have."""

import asyncio
from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.engine import server_of
from workers.publishing.positions import Kept
from workers.publishing.takeover import hold_to


class UnknownServer(Exception):
    """This run of the database was not checked yet: it may be an earlier state, whose clock is behind."""

    def __init__(self, server: str) -> None:
        super().__init__(server)
        self.server = server


class ClosedTime:
    """Raises the shards' clocks of each run of the database beyond the last watermark, before the first write to it."""

    def __init__(self, engine: AsyncEngine, read: Callable[[], Awaitable[Kept]]) -> None:
        self._engine = engine
        self._read = read
        self._held: set[str] = set()
        self._holding = asyncio.Lock()

    def insist(self, connection: AsyncConnection) -> None:
        """Raise UnknownServer unless the clocks of this connection's database were raised beyond the last watermark."""
        server = server_of(connection)
        if server not in self._held:
            raise UnknownServer(server)

    async def hold(self, server: str) -> None:
        """Raise the shards' clocks beyond the last watermark. Raises LogDamaged if the log contradicts it."""
        async with self._holding:
            if server in self._held:
                return
            kept = await self._read()
            async with self._engine.begin() as connection:
                await hold_to(connection, kept)
                server = server_of(connection)
            self._held.add(server)
