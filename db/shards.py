"""Shards: groups of organizations with one writer at a time (docs/architecture.md)."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.driver import fetch
from db.reading_positions import ReadingWentBack, Span

NOTIFY_CHANNEL = "whopays_log"


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a shard's log: its last position (0 when empty), that row's hash, and the last instant assigned.

    Every transaction that writes anything about a shard's organizations moves its head: at least `last_instant` and
    `written_at`, to the same instant. `last_instant` is also raised when nothing is written (db/closing.py), so it is
    not compared.
    """

    position: int
    hash: bytes
    last_instant: datetime = field(compare=False)
    written_at: datetime
    begins_after: int = field(default=0, compare=False)
    """The position before the log's first; not 0 for a shard created by resharding (db/resharding.py)."""
    is_closed: bool = field(default=False, compare=False)
    """Whether the shard is closed and accepts no more rows."""


async def lock_shards(connection: AsyncConnection, shards: Iterable[int]) -> tuple[dict[int, Head], datetime]:
    """Lock shards in ascending order until the transaction ends; return their heads and the instant to decide at.

    The instant is read once all locks are held, not when the transaction or the statement began, and is later than any
    assigned in these shards before, even if the server's clock has stepped back.
    """
    locked = await fetch(connection, _LOCK, shards=sorted(shards))
    return {row["shard"]: _head(row) for row in locked}, max(row["instant"] for row in locked)


async def move_heads(connection: AsyncConnection, heads: Mapping[int, Head], spans: Collection[Span] = ()) -> None:
    """Move the heads of shards that the transaction has locked, and the reading positions of partitions.

    The commit wakes the relay. Raises ReadingWentBack if a partition's stored position is before its span's beginning,
    or if the note of offsets decided ahead is gone.
    """
    (moved,) = await fetch(
        connection,
        _MOVE,
        shards=list(heads),
        positions=[head.position for head in heads.values()],
        hashes=[head.hash for head in heads.values()],
        instants=[head.last_instant for head in heads.values()],
        written=[head.written_at for head in heads.values()],
        topics=[span.topic for span in spans],
        partitions=[span.partition for span in spans],
        begins=[span.since for span in spans],
        ends=[span.until for span in spans],
        **_listed("ahead", [(span, offset) for span in spans for offset in span.ahead]),
        **_listed("passed", [(span, offset) for span in spans for offset in span.passed]),
    )
    if moved["continued"] != len(spans) or moved["gone"]:
        raise ReadingWentBack(spans)


async def all_heads(connection: AsyncConnection) -> dict[int, Head]:
    """Return the committed head of every shard's log."""
    rows = await fetch(connection, _ALL)
    return {
        row["shard"]: replace(_head(row), begins_after=row["begins_after"], is_closed=row["is_closed"]) for row in rows
    }


def _listed(name: str, places: Collection[tuple[Span, int]]) -> dict[str, list[Any]]:
    return {
        f"{name}_topics": [span.topic for span, _ in places],
        f"{name}_partitions": [span.partition for span, _ in places],
        f"{name}_offsets": [offset for _, offset in places],
    }


def _head(row: Mapping[str, Any]) -> Head:
    return Head(row["position"], row["hash"], row["last_instant"], row["written_at"])


def _places(name: str) -> str:
    arrays = (f":{name}_topics AS text[]", f":{name}_partitions AS integer[]", f":{name}_offsets AS bigint[]")
    return f"unnest({', '.join(f'CAST({one})' for one in arrays)}) AS {name}(topic, partition, last_offset)"


_ALL = text(
    """
    SELECT shard, position, hash, last_instant, written_at, begins_after, closed_at IS NOT NULL AS is_closed
    FROM shards
    """
)
_LOCK = text(
    """
    SELECT shard, position, hash, last_instant, written_at,
        greatest(clock_timestamp(), last_instant + interval '1 microsecond') AS instant
    FROM (
        SELECT shard, position, hash, last_instant, written_at FROM shards
        WHERE shard = ANY(CAST(:shards AS smallint[])) ORDER BY shard FOR UPDATE
    ) AS locked
    """
)
_MOVE = text(
    f"""
    WITH moved AS (
        UPDATE shards SET position = head.position, hash = head.hash,
            last_instant = head.last_instant, written_at = head.written_at
        FROM unnest(
            CAST(:shards AS smallint[]), CAST(:positions AS bigint[]), CAST(:hashes AS bytea[]),
            CAST(:instants AS timestamptz[]), CAST(:written AS timestamptz[])
        ) AS head(shard, position, hash, last_instant, written_at)
        WHERE shards.shard = head.shard
    ), span AS MATERIALIZED (
        SELECT * FROM unnest(
            CAST(:topics AS text[]), CAST(:partitions AS integer[]), CAST(:begins AS bigint[]), CAST(:ends AS bigint[])
        ) AS span(topic, partition, since, until)
    ), locked AS MATERIALIZED (
        SELECT kept.topic, kept.partition, kept.next_offset, span.since, span.until
        FROM span JOIN reading_positions AS kept USING (topic, partition)
        ORDER BY kept.topic, kept.partition FOR UPDATE OF kept
    ), continued AS (
        UPDATE reading_positions AS kept SET next_offset = greatest(kept.next_offset, locked.until)
        FROM locked
        WHERE (kept.topic, kept.partition) = (locked.topic, locked.partition) AND kept.next_offset >= locked.since
        RETURNING kept.partition
    ), gone AS (
        SELECT FROM {_places("passed")} JOIN locked USING (topic, partition)
        LEFT JOIN read_ahead USING (topic, partition, last_offset)
        WHERE last_offset >= locked.next_offset AND read_ahead.offsets IS NULL
    ), done AS (
        DELETE FROM read_ahead USING locked
        WHERE (read_ahead.topic, read_ahead.partition) = (locked.topic, locked.partition)
            AND read_ahead.last_offset < locked.until
    ), noted AS (
        INSERT INTO read_ahead AS kept (topic, partition, last_offset, offsets)
        SELECT topic, partition, max(last_offset), array_agg(last_offset)
        FROM {_places("ahead")} JOIN locked USING (topic, partition) GROUP BY topic, partition
        ON CONFLICT (topic, partition, last_offset) DO UPDATE SET offsets = kept.offsets || excluded.offsets
    )
    SELECT pg_notify('{NOTIFY_CHANNEL}', ''), (SELECT count(*) FROM continued) AS continued,
        EXISTS (SELECT FROM gone) AS gone
    """
)
"""One statement, since round trips dominate the cost of a batch. A transaction locks reading positions only after all
its shards, and in key order, so it cannot deadlock. Moving a partition's position past a row of `read_ahead` deletes
that row, which is no longer needed."""
