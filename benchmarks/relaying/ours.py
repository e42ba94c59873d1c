"""The log and the relay of whopays, which runs as `whopays run --only relay`."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar

from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.processes import Program, whopays
from benchmarks.relaying.outbox import Outbox, Row
from db import log
from db.placing import shard_of
from db.shards import all_heads, lock_shards, move_heads
from schemas.outgoing import Outgoing
from schemas.topics import Topic
from workers.runtime.roles import Role
from workers.runtime.settings import Settings

_ALL = 2**31


class Ours(Outbox):
    """Rows are appended as a batch of commands appends them: shards locked, hash chain, gapless positions."""

    name: ClassVar[str] = "whopays"

    def __init__(self, settings: Settings, engine: AsyncEngine) -> None:
        self._settings = settings
        self._engine = engine
        self._marked: dict[int, int] = {}
        self.topics = (settings.topic(Topic.BINDINGS), settings.topic(Topic.COMMAND_RESULTS))

    @asynccontextmanager
    async def publishing(self) -> AsyncIterator[Sequence[Program]]:
        """Run a relay."""
        with whopays(self._settings, (Role.RELAY,)) as programs:
            yield programs

    async def mark(self) -> None:
        """Remember the heads of all shards."""
        async with self._engine.connect() as connection:
            self._marked = {shard: head.position for shard, head in (await all_heads(connection)).items()}

    async def append(self, events: Sequence[Outgoing]) -> list[str]:
        """Append to the log, and wake the relay."""
        placed = [(shard_of(event.boundary, self._settings.shards), event) for event in events]
        async with self._engine.begin() as connection:
            heads, instant = await lock_shards(connection, {shard for shard, _ in placed})
            rows, moved = log.chain_rows(heads, placed, self._settings.source, instant)
            await log.append(connection, rows)
            await move_heads(connection, moved)
        return [f"{shard}-{position}" for shard, position, *_ in rows]

    async def appended(self) -> list[Row]:
        """Return the log since the mark."""
        async with self._engine.connect() as connection:
            rows = await log.read(connection, self._marked, _ALL, _ALL)
        return [Row(self._settings.topic(row.topic), row.key or b"", row.value) for row in rows]
