"""Nothing is written at or before what readers were told to be closed, whichever database it is written to."""

import asyncio
from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.engine import server_of
from workers.publishing.positions import Kept
from workers.publishing.takeover import hold_to


class UnknownServer(Exception):
    """This run of the database was not yet held beyond the last watermark: it may be an earlier state."""

    def __init__(self, server: str) -> None:
        super().__init__(server)
        self.server = server


class ClosedTime:
    """Holds each run of the database that a process writes to beyond the last watermark, before it does."""

    def __init__(self, engine: AsyncEngine, read: Callable[[], Awaitable[Kept]]) -> None:
        self._engine = engine
        self._read = read
        self._held: set[str] = set()
        self._holding = asyncio.Lock()

    def insist(self, connection: AsyncConnection) -> None:
        """Raise UnknownServer unless the database of this connection was held beyond the last watermark."""
        server = server_of(connection)
        if server not in self._held:
            raise UnknownServer(server)

    async def hold(self, server: str) -> None:
        """Hold the database beyond the last watermark. Raises LogDamaged where readers were told what is not so."""
        async with self._holding:
            if server in self._held:
                return
            kept = await self._read()
            async with self._engine.begin() as connection:
                await hold_to(connection, kept)
                server = server_of(connection)
            self._held.add(server)
