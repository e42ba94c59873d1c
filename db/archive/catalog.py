"""The archive's catalog: a row of `archived_log` for each file, and which partition may be archived next."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.driver import Connection, Statement, fetch
from db.log import PARTITION_POSITIONS
from schemas.instants import format_instant

MOST_LEFT = 50_000
"""How many rows of a partition may belong to shards that have not reached its end; they are copied (migration 0022)."""


@dataclass(frozen=True, slots=True)
class Part:
    """A file of the archive: which rows of a shard it holds, and the digests that identify it.

    `hash_before` is the hash of the row before; None if that row was removed before the archive existed. The index is
    the last `index_size` bytes of the file.
    """

    shard: int
    first_position: int
    last_position: int
    first_instant: datetime
    last_instant: datetime
    hash_before: bytes | None
    last_hash: bytes
    file: str
    size: int
    sha256: bytes
    index_size: int
    index_sha256: bytes
    manifest: str = ""
    manifest_sha256: bytes = b""

    @property
    def rows(self) -> int:
        """The number of rows: positions have no gaps."""
        return self.last_position - self.first_position + 1


@dataclass(frozen=True, slots=True)
class Due:
    """A partition of the log that may be archived: its number, and the rows of each shard to archive.

    `spans` gives, for each shard, the position before the first, the last one, and the hash of the row before (None:
    not known).
    """

    number: int
    spans: dict[int, tuple[int, int, bytes | None]]


async def parts_of(connection: Connection) -> dict[int, list[Part]]:
    """Return the files of each shard, in order."""
    found: dict[int, list[Part]] = {}
    for row in await fetch(connection, _PARTS):
        found.setdefault(row["shard"], []).append(Part(*row.values()))
    return found


async def parts_beyond(connection: Connection, shard: int, position: int) -> list[Part]:
    """Return the files of a shard that reach beyond a position, in order."""
    return [Part(*row.values()) for row in await fetch(connection, _PARTS_BEYOND, shard=shard, position=position)]


async def next_due(connection: Connection, before: datetime, beyond: int = -1) -> Due | None:
    """Return the first partition after number `beyond` that has rows to archive, all of them older than `before`.

    A shard's rows can be archived once the first row of the next partition is published, or, for a closed shard, all of
    its rows. Rows of shards that have not got that far stay, and must be few.
    """
    shards = await fetch(connection, _SHARDS)
    for row in await fetch(connection, _PARTITIONS):
        number = row["number"]
        last = (number + 1) * PARTITION_POSITIONS - 1
        if number <= beyond:
            continue
        ends = {end["shard"]: end["recorded_at"] for end in await fetch(connection, _ENDS, position=last)}
        spans, left = {}, 0
        for one in shards:
            shard, kept = one["shard"], one["first_kept"]
            if kept > last:
                continue
            # In a closed shard nothing follows.
            end = min(last, one["head"]) if one["is_closed"] else last
            is_whole = one["published"] >= (end if end == one["head"] and one["is_closed"] else end + 1)
            if is_whole and kept // PARTITION_POSITIONS == number and ends.get(shard, before) < before:
                hash_before = one["last_hash"] if one["archived"] else b"" if kept == 1 else None
                spans[shard] = (kept - 1, end, hash_before)
                continue
            left += max(0, min(one["head"], last) - max(kept - 1, last - PARTITION_POSITIONS))
        if spans and left <= MOST_LEFT:
            return Due(number, spans)
    return None


async def may_take_out(connection: Connection) -> bool:
    """Return whether this database role may remove archived rows from the log."""
    return bool((await fetch(connection, _MAY_TAKE_OUT))[0]["may"])


async def take_out(connection: AsyncConnection, number: int, parts: Sequence[Part]) -> None:
    """Remove a partition's archived rows from the log, and record the files in the same transaction.

    The log is locked briefly; this fails if the lock takes longer than `lock_timeout`. The database function itself
    checks whether the rows may be removed.
    """
    said = [{name: _as_json(value) for name, value in asdict(part).items()} for part in parts]
    await connection.execute(_TAKE_OUT, {"number": number, "parts": orjson.dumps(said).decode()})


def _as_json(value: Any) -> Any:
    match value:
        case bytes():
            return f"\\x{value.hex()}"
        case datetime():
            return format_instant(value)
        case _:
            return value


_PART = """
    SELECT shard, first_position, last_position, first_instant, last_instant, hash_before, last_hash, file, size,
        sha256, index_size, index_sha256, manifest, manifest_sha256
    FROM archived_log
"""
_PARTS = Statement(f"{_PART} ORDER BY shard, last_position")
_PARTS_BEYOND = Statement(
    f"{_PART} WHERE shard = CAST(:shard AS smallint) AND last_position > :position ORDER BY last_position"
)
_PARTITIONS = Statement(
    """
    SELECT CAST(substring(partition.relname FROM '^log_p([0-9]+)$') AS bigint) AS number
    FROM pg_inherits JOIN pg_class AS partition ON partition.oid = inhrelid
    WHERE inhparent = CAST('log' AS regclass) ORDER BY number
    """
)
_SHARDS = Statement(
    """
    SELECT shards.shard, shards.position AS head, closed_at IS NOT NULL AS is_closed,
        coalesce(published.position, 0) AS published,
        coalesce(archived.last_position, 0) AS archived, archived.last_hash, first.position AS first_kept
    FROM shards LEFT JOIN published USING (shard)
    LEFT JOIN LATERAL (
        SELECT last_position, last_hash FROM archived_log WHERE archived_log.shard = shards.shard
        ORDER BY last_position DESC LIMIT 1
    ) AS archived ON true
    CROSS JOIN LATERAL (
        SELECT log.position FROM log WHERE log.shard = shards.shard ORDER BY log.position LIMIT 1
    ) AS first
    ORDER BY shards.shard
    """
)
_ENDS = Statement(
    """
    SELECT log.shard, log.recorded_at FROM shards JOIN log ON log.shard = shards.shard
        AND log.position = CASE WHEN closed_at IS NULL THEN :position ELSE least(:position, shards.position) END
    """
)
_MAY_TAKE_OUT = Statement("SELECT has_function_privilege('archive_log_partition(bigint, jsonb)', 'EXECUTE') AS may")
_TAKE_OUT = text("SELECT archive_log_partition(:number, CAST(:parts AS jsonb))")
