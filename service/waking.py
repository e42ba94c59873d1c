"""Tracks the head of each shard's log over one connection per process, and wakes those waiting for it to advance.

A commit notifies that connection, as it does the relay. Without notifications, as on a replica or behind a pooler
that drops LISTEN, the connection polls. While no request is waiting, nothing is read.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.closing import closed_instants
from db.driver import driver, fetch
from db.errors import brief
from db.shards import NOTIFY_CHANNEL

_LOOK_SECONDS = 0.5
"""How often to poll although commits notify: only in case a notification is lost."""
_LOOK_UNNOTIFIED_SECONDS = 0.04
_LOOK_AT_CLOSED_SECONDS = 0.1
"""How often to poll for closed instants, which advance without a commit."""
_GATHER_SECONDS = 0.004
"""How long to collect notifications, so that a busy database is queried a few hundred times a second at most."""
_RETRY_SECONDS = 0.5

logger = structlog.get_logger()


class Waking:
    """Notices commits, and wakes the tasks that wait for them."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._positions: dict[int, int] = {}
        self._closed: dict[int, datetime] = {}
        self._watchers = 0
        self._watchers_of_closed = 0
        self._has_ended = False
        self._is_watched = asyncio.Event()
        self._woken = asyncio.Event()
        self._seen = asyncio.Event()

    @property
    def positions(self) -> Mapping[int, int]:
        """The last position of each shard, as last read: current only while a caller is in `watching`."""
        return self._positions

    async def run(self) -> None:
        """Watch the database until cancelled; after an error, reconnect."""
        while True:
            try:
                async with self._engine.connect() as connection:
                    await connection.execution_options(isolation_level="AUTOCOMMIT")
                    try:
                        await self._watch(connection)
                    finally:
                        # Not back to the pool: its next user would get our notifications.
                        await connection.invalidate()
            except Exception as error:  # noqa: BLE001 (waiting requests keep waiting, then query the database)
                logger.info("commits_not_watched", error=brief(error))
            await asyncio.sleep(_RETRY_SECONDS)

    @asynccontextmanager
    async def watching(self, *, closed: bool = False) -> AsyncIterator[None]:
        """Keep `positions` current; with `closed`, closed instants too."""
        self._watchers += 1
        self._watchers_of_closed += closed
        self._is_watched.set()
        self._woken.set()
        try:
            yield
        finally:
            self._watchers -= 1
            self._watchers_of_closed -= closed
            if not self._watchers:
                self._is_watched.clear()

    async def next_look(self) -> None:
        """Wait until positions or closed instants have advanced, or `look_again` was called."""
        await self._seen.wait()

    def end(self) -> None:
        """End all waits, because the server stops."""
        self._has_ended = True
        self.look_again()

    def look_again(self) -> None:
        """Make all tasks in `next_look` compare again, because what they wait for has changed."""
        seen, self._seen = self._seen, asyncio.Event()
        seen.set()

    async def until_known(self, positions: Mapping[int, int], closed: Mapping[int, datetime], seconds: float) -> bool:
        """Wait until each shard has a position and is closed up to an instant; return False on timeout."""
        if not positions and not closed:
            return True
        try:
            async with asyncio.timeout(seconds), self.watching(closed=bool(closed)):
                while not self._knows(positions, closed):
                    if self._has_ended:
                        return False
                    await self.next_look()
        except TimeoutError:
            return False
        return True

    def _knows(self, positions: Mapping[int, int], closed: Mapping[int, datetime]) -> bool:
        return all(self._positions.get(shard, 0) >= position for shard, position in positions.items()) and all(
            shard in self._closed and self._closed[shard] >= instant for shard, instant in closed.items()
        )

    async def _watch(self, connection: AsyncConnection) -> None:
        is_notified = await self._listen(connection)
        while True:
            await self._is_watched.wait()
            self._woken.clear()
            await self._look(connection)
            longest = _LOOK_SECONDS if is_notified else _LOOK_UNNOTIFIED_SECONDS
            try:
                async with asyncio.timeout(
                    min(longest, _LOOK_AT_CLOSED_SECONDS) if self._watchers_of_closed else longest
                ):
                    await self._woken.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(_GATHER_SECONDS)

    async def _listen(self, connection: AsyncConnection) -> bool:
        """Subscribe to commits; return False if the server is a replica, which cannot notify."""
        (server,) = await fetch(connection, _IS_REPLICA)
        raw = await driver(connection)
        raw.add_termination_listener(self._wake)
        if server["is_replica"]:
            return False
        await raw.add_listener(NOTIFY_CHANNEL, self._wake)
        return True

    async def _look(self, connection: AsyncConnection) -> None:
        positions = {row["shard"]: row["position"] for row in await fetch(connection, _POSITIONS)}
        closed = await closed_instants(connection) if self._watchers_of_closed else self._closed
        if (positions, closed) != (self._positions, self._closed):
            self._positions, self._closed = positions, closed
            self.look_again()

    def _wake(self, *_: Any) -> None:
        self._woken.set()


_IS_REPLICA = text("SELECT pg_is_in_recovery() AS is_replica")
_POSITIONS = text("SELECT shard, position FROM shards")
