"""Exported logs: JSON lines, the heads first; they can be checked without any server."""

import asyncio
from base64 import b64decode, b64encode
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from typing import IO, Any

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from audit.findings import Finding, Promise
from audit.installation import Progress
from audit.log_story import Stories
from db import audit
from db.archive.catalog import parts_beyond
from db.archive.checking import blocks_of
from db.archive.store import Store
from db.archive.trouble import ArchiveNotConfigured
from db.log import LogRow
from db.shard_ranges import ShardRange, ShardRanges, shard_ranges
from db.shards import all_heads


class NotExported(Exception):
    """The file was not written by `whopays export-log`."""


async def export_log(
    engine: AsyncEngine, store: Store | None, installation: str, progress: Progress
) -> AsyncGenerator[bytes]:
    """Yield the lines of an export, all as of one instant: the archive, then the table. Raises HistoryDamaged."""
    async with audit.snapshot(engine) as connection:
        heads, ranges = await all_heads(connection), await shard_ranges(connection)
        total = sum(head.position for head in heads.values())
        yield _line(
            {
                "installation": installation,
                "heads": [[shard, head.position, head.hash.hex()] for shard, head in sorted(heads.items())],
                "keptFrom": await audit.kept_from(connection),
                "ranges": [[one.first, one.shards, one.begins_after, one.ends] for one in ranges.every],
            }
        )
        written = 0
        for shard in sorted(heads):
            async for row in _rows(connection, store, shard):
                key = None if row.key is None else b64encode(row.key).decode()
                yield _line([row.shard, row.position, row.topic, key, row.value.decode(), row.hash.hex(), row.asked])
                written += 1
                progress("log", written, total)


async def _rows(connection: AsyncConnection, store: Store | None, shard: int) -> AsyncGenerator[LogRow]:
    for part in await parts_beyond(connection, shard, 0):
        if store is None:
            raise ArchiveNotConfigured(shard, part.last_position)
        blocks = blocks_of(store, part)
        while (rows := await asyncio.to_thread(next, blocks, None)) is not None:
            for one in rows:
                yield one.row
    async for row, _ in audit.log_rows(connection, shard):
        yield row


def check_exported(file: IO[bytes], progress: Progress) -> Iterator[Finding]:
    """Yield whatever is wrong with an exported log. Raises NotExported."""
    heads, ranges, kept_from = _heads(file.readline())
    total = sum(position for position, _ in heads.values())
    stories, ended = Stories(ranges), 0
    for number, line in enumerate(file, start=2):
        try:
            # Earlier versions exported only six members.
            shard, position, topic, key, value, hash_, *asked = orjson.loads(line)
            key = None if key is None else b64decode(key)
            row = LogRow(shard, position, topic, key, value.encode(), bytes.fromhex(hash_), *asked)
            story = stories.of(shard)
        except (ValueError, TypeError, LookupError, AttributeError):
            yield Finding(Promise.LOG, f"line {number}", "it is not a row of a log")
            continue
        if story.range.first > ended:
            yield from _end(stories, heads, range(ended, story.range.first), kept_from)
            ended = story.range.first
        yield from story.hear(row)
        progress("log", number - 1, total)
    yield from _end(stories, heads, range(ended, ranges.total), kept_from)


def _end(
    stories: Stories, heads: Mapping[int, tuple[int, bytes]], shards: Iterable[int], kept_from: int
) -> Iterator[Finding]:
    for shard in shards:
        yield from stories.of(shard).end(*heads[shard], kept_from)
        stories.done(stories.of(shard))


def _heads(line: bytes) -> tuple[dict[int, tuple[int, bytes]], ShardRanges, int]:
    try:
        said = orjson.loads(line)
        heads = {shard: (position, bytes.fromhex(hash_)) for shard, position, hash_ in said["heads"]}
        # Earlier versions knew only one range.
        ranges = [ShardRange(*one) for one in said.get("ranges", [[0, len(heads)]])]
        if heads.keys() != set(range(ranges[-1].numbers.stop)):
            raise ValueError("shards without a head")
        return heads, ShardRanges(ranges), int(said.get("keptFrom", 0))
    except (ValueError, TypeError, LookupError, AttributeError):
        raise NotExported("its first line holds no shard heads; whopays export-log writes such files") from None


def _line(document: Any) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
