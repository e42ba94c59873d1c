"""Exported logs: JSON lines, the heads first, which can be checked without any server."""

from base64 import b64decode, b64encode
from collections.abc import AsyncGenerator, Iterator
from typing import IO, Any

import orjson
from sqlalchemy.ext.asyncio import AsyncEngine

from audit.findings import Finding, Promise
from audit.installation import Progress
from audit.log_story import Story
from db import audit
from db.log import LogRow
from db.shards import all_heads


class NotExported(Exception):
    """The file was not written by `whopays export-log`."""


async def export_log(engine: AsyncEngine, installation: str, progress: Progress) -> AsyncGenerator[bytes]:
    """Yield the lines of an export, as of one instant."""
    async with audit.snapshot(engine) as connection:
        heads = await all_heads(connection)
        total = sum(head.position for head in heads.values())
        yield _line(
            {
                "installation": installation,
                "heads": [[shard, head.position, head.hash.hex()] for shard, head in sorted(heads.items())],
            }
        )
        written = 0
        for shard in sorted(heads):
            async for row, _ in audit.log_rows(connection, shard):
                key = None if row.key is None else b64encode(row.key).decode()
                yield _line([row.shard, row.position, row.topic, key, row.value.decode(), row.hash.hex(), row.asked])
                written += 1
                progress("log", written, total)


def check_exported(file: IO[bytes], progress: Progress) -> Iterator[Finding]:
    """Yield whatever is wrong with an exported log. Raises NotExported."""
    heads = _heads(file.readline())
    total = sum(position for position, _ in heads.values())
    stories = {shard: Story(shard, len(heads)) for shard in heads}
    for number, line in enumerate(file, start=2):
        try:
            # Earlier versions exported no more than six members.
            shard, position, topic, key, value, hash_, *asked = orjson.loads(line)
            key = None if key is None else b64decode(key)
            row = LogRow(shard, position, topic, key, value.encode(), bytes.fromhex(hash_), *asked)
            story = stories[shard]
        except (ValueError, TypeError, KeyError, AttributeError):
            yield Finding(Promise.LOG, f"line {number}", "it is not a row of a log")
            continue
        yield from story.hear(row)
        progress("log", number - 1, total)
    for shard, (position, hash_) in heads.items():
        yield from stories[shard].end(position, hash_)


def _heads(line: bytes) -> dict[int, tuple[int, bytes]]:
    try:
        return {shard: (position, bytes.fromhex(hash_)) for shard, position, hash_ in orjson.loads(line)["heads"]}
    except (ValueError, TypeError, KeyError):
        raise NotExported("its first line holds no shard heads; whopays export-log writes such files") from None


def _line(document: Any) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
