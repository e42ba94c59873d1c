"""The log: outbox, history and audit trail in one (docs/architecture.md). Rows are appended, never changed."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.driver import driver, fetch
from db.shards import Head
from schemas.outgoing import Outgoing, render
from schemas.topics import TOPIC_PLANS, Topic

PARTITION_POSITIONS = 1_000_000
"""How many positions of each shard one partition of the table holds (migration 0015)."""

_DEFAULT_LARGEST_BYTES = 1024 * 1024
_LARGEST_BYTES = {
    str(plan.topic): int(plan.settings.get("max.message.bytes", _DEFAULT_LARGEST_BYTES)) for plan in TOPIC_PLANS
}
_HEADERS_BYTES = 2 * 1024
_COLUMNS = ("shard", "position", "recorded_at", "topic", "key", "value", "hash", "boundary", "asked")


class EventTooLarge(Exception):
    """An event is larger than its topic accepts; in the log it would block all events after it."""


class LogRow(NamedTuple):
    """An event, published or not yet: finished bytes at a place in the log.

    For a result, `asked` says who sent the command: the JSON of `Asked`, exactly as the hash covers it.
    """

    shard: int
    position: int
    topic: str
    key: bytes | None
    value: bytes
    hash: bytes
    asked: str | None = None


def largest_event_bytes(topic: str) -> int:
    """Return the size limit of an event in bytes, headers included, for a topic (named without its prefix)."""
    return _LARGEST_BYTES[topic]


def row_hash(previous: bytes, topic: str, key: bytes | None, value: bytes, asked: str | None = None) -> bytes:
    """Return the SHA-256 over the previous row's hash and this row's topic, key and value, each with its length.

    `asked` follows where it is stored; rows older than migration 0014 do not have it and keep their hashes.
    """
    digest = hashlib.sha256(previous)
    said = () if asked is None else (asked.encode(),)
    for part in (topic.encode(), b"" if key is None else b"\x01" + key, value, *said):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()


def chain_rows(
    heads: Mapping[int, Head], outgoing: Sequence[tuple[int, Outgoing]], source: str, last_instant: datetime
) -> tuple[list[tuple[Any, ...]], dict[int, Head]]:
    """Return the rows that append events, each given with its shard, to logs that end at `heads`, and the new heads.

    A row starts with its shard and position. `last_instant` is the latest instant assigned. Raises EventTooLarge.
    """
    rows = []
    ends = {shard: (head.position, head.hash) for shard, head in heads.items()}
    for shard, event in outgoing:
        position, previous = ends[shard]
        position += 1
        topic = str(event.topic)
        value = render(event, f"{shard}-{position}", source)
        if _message_bytes(event, value) > largest_event_bytes(topic):
            raise EventTooLarge(f"an event of {len(value)} bytes does not fit into {topic}")
        asked = None if event.asked is None else event.asked.document()
        hash_ = row_hash(previous, topic, event.key, value, asked)
        ends[shard] = (position, hash_)
        rows.append((shard, position, event.time, topic, event.key, value, hash_, _boundary_of(event), asked))
    return rows, {shard: Head(position, hash_, last_instant, last_instant) for shard, (position, hash_) in ends.items()}


async def append(connection: AsyncConnection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Append rows to the logs of their shards; the transaction must hold their locks and move their heads."""
    if rows:
        await (await driver(connection)).copy_records_to_table("log", records=rows, columns=_COLUMNS)


async def read(
    connection: AsyncConnection, after: dict[int, int], limit: int, byte_limit: int = 1024 * 1024
) -> list[LogRow]:
    """Return rows of each shard after the position given for it, in order within the shard.

    Each shard yields at most `limit` rows, and stops once their values add up to `byte_limit` bytes.
    """
    rows = await fetch(
        connection,
        _READ,
        shards=list(after),
        positions=list(after.values()),
        row_limit=limit,
        byte_limit=byte_limit,
    )
    # Sorted here: PostgreSQL would sort whole rows, and spill to disk beyond a few megabytes.
    return sorted(map(LogRow._make, rows), key=itemgetter(0, 1))


async def row_at(connection: AsyncConnection, shard: int, position: int) -> LogRow | None:
    """Return one row of the log."""
    rows = await read(connection, {shard: position - 1}, 1)
    return rows[0] if rows and rows[0].position == position else None


async def ensure_partitions(connection: AsyncConnection) -> None:
    """Create the partition after the one in use unless it exists; attaching it does not block writers."""
    await connection.execute(text("SELECT ensure_log_partitions()"))


async def positions_left(connection: AsyncConnection) -> int:
    """Return how many positions the shard with the longest log has left in the log's last partition."""
    left: int = (await connection.execute(_POSITIONS_LEFT)).scalar_one()
    return left


def _boundary_of(event: Outgoing) -> str | None:
    """Return the organization under which an event can be looked up; a dead letter belongs to none."""
    return None if event.topic is Topic.DEAD_LETTERS else event.boundary


def _message_bytes(event: Outgoing, value: bytes) -> int:
    return len(value) + len(event.key or b"") + _HEADERS_BYTES


_READ = text(
    """
    SELECT log.shard, log.position, log.topic, log.key, log.value, log.hash,
        CAST(log.asked AS text) AS asked
    FROM unnest(CAST(:shards AS smallint[]), CAST(:positions AS bigint[])) AS published(shard, position)
    CROSS JOIN LATERAL (
        SELECT *, sum(octet_length(value)) OVER (ORDER BY position ROWS UNBOUNDED PRECEDING) - octet_length(value)
            AS bytes_before
        FROM (
            SELECT * FROM log
            WHERE log.shard = published.shard AND log.position > published.position
            ORDER BY log.position LIMIT :row_limit
        ) AS next
    ) AS log
    WHERE log.bytes_before < :byte_limit
    """
)
_POSITIONS_LEFT = text(
    """
    SELECT greatest(0, coalesce(max(CAST(substring(
        pg_get_expr(part.relpartbound, part.oid) FROM 'TO \\(''([0-9]+)''\\)'
    ) AS bigint)), 0) - (SELECT max(position) FROM shards) - 1)
    FROM pg_inherits JOIN pg_class AS part ON part.oid = inhrelid WHERE inhparent = CAST('log' AS regclass)
    """
)
