"""The reading positions of the input topics' partitions, committed with the decisions (docs/decisions/0013)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.driver import fetch


@dataclass(frozen=True, slots=True)
class Span:
    """A transaction's progress on a partition: everything before `since` was decided, and now all before `until` is.

    `ahead` are the offsets that it decides beyond that. `passed` identifies earlier transactions that decided some of
    the offsets in between, each by the last offset of its `ahead`. `topic` includes the prefix.
    """

    topic: str
    partition: int
    since: int
    until: int
    ahead: tuple[int, ...] = ()
    passed: tuple[int, ...] = ()


class ReadingWentBack(Exception):
    """The database's reading position is behind the records that were to be decided."""

    def __init__(self, spans: Iterable[Span]) -> None:
        places = ", ".join(f"{span.topic}/{span.partition} to {span.since}" for span in spans)
        super().__init__(
            f"this process had read {places}, but the database knows less: it was restored to an earlier state, or is "
            "a different one. A restarted worker continues from where the database is."
        )


async def reading_positions(connection: AsyncConnection, topic: str) -> dict[int, int]:
    """Return the next offset of each partition of a topic that has been read at all."""
    rows = await fetch(connection, _POSITIONS, topic=topic)
    return {row["partition"]: row["next_offset"] for row in rows}


async def read_at_least(connection: AsyncConnection, topic: str, offsets: Mapping[int, int]) -> None:
    """Raise the reading positions to at least these offsets."""
    partitions = sorted(offsets)
    await fetch(
        connection,
        _AT_LEAST,
        topic=topic,
        partitions=partitions,
        offsets=[offsets[partition] for partition in partitions],
    )


async def forget_reading(connection: AsyncConnection, topic: str) -> int:
    """Delete the reading positions of a topic; return the number of partitions that had one."""
    return len(await fetch(connection, _FORGET, topic=topic))


_POSITIONS = text("SELECT partition, next_offset FROM reading_positions WHERE topic = CAST(:topic AS text)")
_FORGET = text(
    """
    WITH forgotten AS (DELETE FROM read_ahead WHERE topic = CAST(:topic AS text))
    DELETE FROM reading_positions WHERE topic = CAST(:topic AS text) RETURNING partition
    """
)
_AT_LEAST = text(
    """
    INSERT INTO reading_positions AS kept (topic, partition, next_offset)
    SELECT CAST(:topic AS text), "partition", "offset"
    FROM unnest(CAST(:partitions AS integer[]), CAST(:offsets AS bigint[])) AS noted("partition", "offset")
    ORDER BY "partition"
    ON CONFLICT (topic, partition) DO UPDATE SET next_offset = greatest(kept.next_offset, excluded.next_offset)
    """
)
