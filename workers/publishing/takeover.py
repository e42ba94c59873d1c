"""Where a relay starts: only at positions that agree with the log and with the lower bounds in the database."""

import time
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.log import row_at
from db.published import note_published, published_at_least
from db.raising import raise_to
from db.shards import all_heads
from schemas.instants import format_instant
from schemas.topics import Topic
from workers.publishing.packing import LogDamaged
from workers.publishing.positions import BEGINNING, Kept, Position, read_kept
from workers.runtime.settings import Settings

_NOTE_SECONDS = 1.0


class Bound:
    """Records in the database a lower bound of the published positions. It may lag, and must never run ahead."""

    def __init__(self) -> None:
        self._reached: dict[int, int] = {}
        self._noted = 0.0

    def reach(self, positions: Mapping[int, Position]) -> None:
        """Remember positions that Kafka has committed."""
        self._reached |= {shard: at.position for shard, at in positions.items()}

    async def note(self, connection: AsyncConnection, *, at_once: bool = False) -> None:
        """Write the positions that were reached, at most once a second unless `at_once`."""
        if self._reached and (at_once or time.monotonic() - self._noted > _NOTE_SECONDS):
            await note_published(connection, self._reached)
            self._reached = {}
            self._noted = time.monotonic()


async def bounds(engine: AsyncEngine) -> dict[int, int]:
    """Return the position up to which each shard's log is certainly published.

    Read it before the predecessor is fenced, and before the positions: the predecessor may publish until then.
    """
    async with engine.connect() as connection:
        return await published_at_least(connection)


async def take_up(engine: AsyncEngine, settings: Settings, at_least: Mapping[int, int]) -> Kept:
    """Read the positions from Kafka, and ensure that nothing is written any more at or before their watermark.

    Raises LogDamaged if the topic lost records, or the positions are not those of this log.
    """
    topic = settings.topic(Topic.RELAY_POSITIONS)
    kept = await read_kept(settings)
    positions = kept.positions
    async with engine.connect() as connection:
        heads = await all_heads(connection)
        for shard, begun in heads.items():
            if begun.begins_after and shard not in positions:
                positions[shard] = Position(begun.begins_after, BEGINNING.hash)
        for shard, bound in at_least.items():
            position = positions.get(shard, BEGINNING).position
            if position < bound:
                raise _lost(topic, shard, position, bound)
        for shard, published in positions.items():
            head = heads.get(shard)
            if head is None or head.position < published.position:
                raise gone_back(shard, head.position if head else 0, published.position)
            row = await row_at(connection, shard, published.position)
            if row is not None and row.hash != published.hash:
                raise gone_back(shard, head.position, published.position)
    async with engine.begin() as connection:
        await hold_to(connection, kept)
    return kept


async def hold_to(connection: AsyncConnection, kept: Kept) -> None:
    """Raise all shards to the instant that readers were told is closed. Raises LogDamaged if the log contradicts it."""
    if kept.floor is None:
        return
    published = {shard: at.position for shard, at in kept.positions.items()}
    broken = await raise_to(connection, kept.floor, published)
    # Without a watermark beside them, these are not the positions that the watermark was written with.
    if broken and kept.last is not None:
        raise _not_closed(*broken[0], kept.floor)


def gone_back(shard: int, position: int, published: int) -> LogDamaged:
    """Return the error for a log that ends at `position`, or diverges, before `published`, its published position."""
    return LogDamaged(
        f"the log of shard {shard} ends at {position}, but {published} is published: the database was restored to an "
        'earlier state, or is another one. Nothing is published until someone has looked: see "At night" in '
        "docs/operations.md."
    )


def _not_closed(shard: int, position: int, closed: datetime) -> LogDamaged:
    return LogDamaged(
        f"row {position} of the log of shard {shard} is not published, but readers were told that nothing comes any "
        f"more up to {format_instant(closed)}, which is later than that row: the database went back. Nothing is "
        'published until someone has looked: see "At night" in docs/operations.md.'
    )


def _lost(topic: str, shard: int, position: int, bound: int) -> LogDamaged:
    return LogDamaged(
        f"{topic} says that the log of shard {shard} is published up to {position}, but it is up to {bound} at least: "
        "the topic has lost records, or is another one. Nothing is published, since it would be published twice: see "
        '"When relay-positions is lost" in docs/operations.md.'
    )
