"""Audits one shard in one snapshot: its log, and the tables of its organizations."""

from collections.abc import AsyncIterator, Callable
from collections.abc import Set as AbstractSet
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from audit.accounts import account_findings
from audit.archived import ArchivedShard
from audit.dead_letters import dead_letter_findings
from audit.findings import Finding, Promise
from audit.log_story import Story
from audit.output_topics import Missing
from audit.payers import payer_findings
from audit.results import result_findings
from db import audit
from db.shards import Head
from schemas.policy import OperatorPolicy


async def log_findings(
    connection: AsyncConnection,
    story: Story,
    head: Head,
    archived: ArchivedShard,
    missing: Missing,
    heard: Callable[[int], None],
) -> AsyncIterator[Finding]:
    """Read the whole log of a shard, and compare it with its head, the topics and the dead letters.

    `heard` is called with each position.
    """
    async for finding in archived.run(story, missing, heard):
        yield finding
    async for row, recorded_at in audit.log_rows(connection, story.shard):
        for finding in story.hear(row):
            yield finding
        for finding in missing.look(row, recorded_at):
            yield finding
        heard(row.position)
    for finding in story.end(head.position, head.hash, await audit.kept_from(connection)):
        yield finding
    if story.range.ends is None:
        for finding in missing.end():
            yield finding
    for position, boundary in await audit.lost_rows(connection, story.shard):
        trouble = f"its organization is given as {boundary or 'none'}, but its key does not begin with that"
        yield Finding(Promise.LOG, f"shard {story.shard}, position {position}", trouble)
    async for finding in dead_letter_findings(connection, story):
        yield finding


async def table_findings(
    connection: AsyncConnection,
    story: Story,
    listed: AbstractSet[str],
    archived: ArchivedShard,
    policy: OperatorPolicy,
    now: datetime,
) -> AsyncIterator[Finding]:
    """Compare the tables of a shard's organizations with the story of its log.

    The story also has the organizations that were added after `listed` was read.
    """
    subjects = story.projects.keys() | story.accounts.keys()
    organizations = sorted({*listed, *(subject.split("/")[0] for subject in subjects)})
    async for finding in payer_findings(connection, organizations, story):
        yield finding
    async for finding in account_findings(connection, organizations, story, archived, policy, now):
        yield finding
    async for other in audit.unloadable_others(connection, organizations):
        yield Finding(Promise.STATE, other.place, other.trouble)
    async for finding in result_findings(connection, organizations, story, archived):
        yield finding
