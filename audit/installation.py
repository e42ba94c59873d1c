"""The full audit of a running installation, from its topics to its tables."""

from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Mapping
from datetime import UTC, datetime
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from audit.archived import ArchivedShard, manifest_findings
from audit.consumption import unread
from audit.findings import Finding, Promise
from audit.log_story import Stories, organization_of
from audit.output_topics import Key, Missing, TopicsAudit
from audit.shards import log_findings, table_findings
from audit.watermarks import WatermarksAudit, read_watermarks
from db import audit
from db.archive.catalog import parts_beyond, parts_of
from db.archive.store import Store
from db.log import LogRow, row_at
from db.role_troubles import role_troubles
from db.sealed_troubles import unopenable_contacts, unopenable_letters
from db.shard_ranges import shard_ranges
from db.shards import all_heads
from workers.publishing.positions import Kept, Position, read_kept
from workers.runtime.archive import archive_of
from workers.runtime.settings import Settings

Progress = Callable[[str, int, int], None]
"""Called with what is being read, how much of it has been read, and the total."""


async def audited(
    settings: Settings, engine: AsyncEngine, progress: Progress, *, reads_archive: bool = True
) -> AsyncGenerator[Finding]:
    """Yield findings as they come up; the archive is only checked if `reads_archive`.

    Raises the driver's errors if the database or broker is unreachable, and ArchiveUnreachable.
    """
    kept = await read_kept(settings)
    store = archive_of(settings) if reads_archive else None
    watermarks = WatermarksAudit()
    # Before the events: whatever these watermarks close is already on the topics.
    for finding in watermarks.hear(await read_watermarks(settings)):
        yield finding
    topics = TopicsAudit(settings, watermarks)
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        async for finding in topics.run(connection, lambda done, total: progress("topics", done, total)):
            yield finding
    # Read again: each event seen on the topics was published in one transaction with the relay's position.
    later = await read_kept(settings)
    for finding in (*_beyond_positions(topics.reached, later.positions), *watermarks.compare(topics.ends, later)):
        yield finding
    for finding in await unread(settings, engine):
        yield finding
    async with audit.snapshot(engine) as connection:
        async for number, trouble in audit.action_troubles(connection):
            yield Finding(Promise.DEAD_LETTERS, f"dead letter {number}", trouble)
        async for place, trouble in role_troubles(connection, settings.installation):
            yield Finding(Promise.RIGHTS, place, trouble)
        async for finding in _sealed(connection, settings):
            yield finding
        if store is not None:
            async for finding in manifest_findings(connection, store):
                yield finding
    async for finding in _shards(settings, engine, kept, topics, store, progress):
        yield finding


async def lacks_archive(engine: AsyncEngine, settings: Settings) -> bool:
    """Return whether part of the log is archived but no archive is configured."""
    async with engine.connect() as connection:
        return settings.archive_url is None and bool(await parts_of(connection))


async def _sealed(connection: AsyncConnection, settings: Settings) -> AsyncGenerator[Finding]:
    """Yield sealed values that cannot be opened; nothing if the auditor has no keys."""
    if settings.encryption_keys:
        keys = settings.keys()
        async for number, trouble in unopenable_letters(connection, keys):
            yield Finding(Promise.DEAD_LETTERS, f"dead letter {number}", trouble)
        async for place, trouble in unopenable_contacts(connection, keys):
            yield Finding(Promise.STATE, place, trouble)


async def _shards(
    settings: Settings,
    engine: AsyncEngine,
    kept: Kept,
    topics: TopicsAudit,
    store: Store | None,
    progress: Progress,
) -> AsyncGenerator[Finding]:
    async with audit.snapshot(engine) as connection:
        total = sum(head.position - head.begins_after for head in (await all_heads(connection)).values())
        ranges = await shard_ranges(connection)
        organizations = defaultdict(set)
        for organization in await audit.organizations(connection):
            organizations[settings.shard_of(organization)].add(organization)
    heard = 0
    stories = Stories(ranges)
    lasts: defaultdict[int, dict[Key, LogRow]] = defaultdict(dict)
    archives: dict[int, ArchivedShard] = {}
    closed = kept.last.watermark.closed_until if kept.last else None
    for shard in range(ranges.total):
        # A snapshot per shard, so that none is held for long.
        async with audit.snapshot(engine) as connection:
            head = (await all_heads(connection)).get(shard)
            if head is None:
                yield Finding(Promise.LOG, f"shard {shard}", "it has no head")
                continue
            position = kept.positions.get(shard)
            if position is not None:
                row = await row_at(connection, shard, position.position)
                for trouble in _position_troubles(position, head.position, row and row.hash):
                    yield Finding(Promise.POSITIONS, f"shard {shard}", trouble)
            now = datetime.now(UTC)
            missing = Missing(
                topics.published, position.position if position else 0, closed, now, lasts.pop(shard, None)
            )
            parts = await parts_beyond(connection, shard, 0)
            archived = ArchivedShard(parts, store, topics.unread[shard], archives)
            heard_now = partial(_report_log, progress, heard - head.begins_after, total)
            story = stories.of(shard)
            async for finding in log_findings(connection, story, head, archived, missing, heard_now):
                yield finding
            # The organizations of a closed shard are in another now.
            if story.range.ends is None:
                listed = organizations[shard]
                async for finding in table_findings(connection, story, listed, archived, settings.policy(), now):
                    yield finding
            stories.done(story)
            if story.range.ends is not None:
                archives[shard] = archived
                following = ranges.following(story.range)
                for (topic, key), row in missing.last.items():
                    lasts[following.shard_of(organization_of(key))][topic, key] = row
            heard += head.position - head.begins_after
            progress("log", heard, total)


def _report_log(progress: Progress, before: int, total: int, position: int) -> None:
    progress("log", before + position, total)


def _position_troubles(position: Position, head: int, hash_: bytes | None) -> list[str]:
    if position.position > head:
        return [f"{position.position} is published, but the log ends at {head}: an earlier state was restored"]
    if hash_ is not None and hash_ != position.hash:
        return [f"position {position.position} was published with a hash that differs from the log's"]
    return []


def _beyond_positions(reached: Mapping[int, int], positions: Mapping[int, Position]) -> list[Finding]:
    """Return the shards published beyond the relay's positions."""
    findings = []
    for shard, position in reached.items():
        noted = positions[shard].position if shard in positions else 0
        if position > noted:
            trouble = (
                f"{position} is on the topics, but only {noted} is recorded as published: the relay would "
                "publish the rest again"
            )
            findings.append(Finding(Promise.POSITIONS, f"shard {shard}", trouble))
    return findings
