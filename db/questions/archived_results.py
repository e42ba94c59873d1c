"""Finds the archived results of commands, by what the tables still have of each command.

It takes two steps, so that the storage is not read while a snapshot is held.
"""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import orjson

from db.archive.catalog import Part
from db.archive.checking import value_at
from db.archive.store import Store
from db.driver import Connection, Statement, fetch
from db.questions.by_command_id import DIGESTS, SOURCES, digest
from domain.reach import EVERYTHING, Reach


class ArchivedResult(NamedTuple):
    """The place of a command's result. What a forgotten command names is only known from its result."""

    position: int
    is_forgotten: bool
    part: Part


async def archived_results(
    connection: Connection, organization: str, command_id: str, source: str | None = None, reach: Reach = EVERYTHING
) -> list[ArchivedResult]:
    """Return the places of the archived latest results of the commands with an id, of one source or of all.

    Results out of reach are left out, as far as that is known without reading them.
    """
    rows = await fetch(connection, ARCHIVED, organization=organization, command_id=command_id, source=source)
    return [
        ArchivedResult(position, is_forgotten, Part(*part))
        for position, project, account, is_forgotten, *part in (tuple(row.values()) for row in rows)
        if is_forgotten or reach.sees(project, account)
    ]


async def read_results(store: Store, found: Sequence[ArchivedResult], reach: Reach = EVERYTHING) -> list[bytes]:
    """Return the events within reach, as they were published. Raises HistoryDamaged and ArchiveUnreachable."""
    values = [await asyncio.to_thread(value_at, store, one.part, one.position) for one in found]
    named = [orjson.loads(value)["data"] for value in values]
    return [
        value for value, data in zip(values, named, strict=True) if reach.sees(data.get("project"), data.get("account"))
    ]


_PART = """
    part.shard, part.first_position, part.last_position, part.first_instant, part.last_instant, part.hash_before,
    part.last_hash, part.file, part.size, part.sha256, part.index_size, part.index_sha256
"""
ARCHIVED = Statement(
    f"""
    {SOURCES}
    SELECT inbox.position, inbox.project, inbox.account, false, {_PART}
    FROM sources
    JOIN inbox ON inbox.organization = :organization AND inbox.source = sources.source
        AND inbox.command_id = :command_id
    JOIN archived_log AS part ON part.shard = inbox.shard AND part.first_position <= inbox.position
        AND part.last_position >= inbox.position
    WHERE CAST(:source AS text) IS NULL OR sources.source = CAST(:source AS text)
    UNION ALL
    SELECT forgotten.position, NULL, NULL, true, {_PART}
    FROM shards JOIN forgotten_commands AS forgotten USING (shard)
    JOIN archived_log AS part ON part.shard = forgotten.shard AND part.first_position <= forgotten.position
        AND part.last_position >= forgotten.position
    WHERE forgotten.digest {DIGESTS}
        AND (CAST(:source AS text) IS NULL OR forgotten.digest = {digest(":source")})
    """
)
