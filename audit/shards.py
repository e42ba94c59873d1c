"""One shard of the database, audited in one snapshot: its log, and the tables of its organizations."""

from collections.abc import AsyncIterator, Callable, Mapping
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


class ShardAudit:
    """Audits the organizations of one shard against the story that its log tells."""

    def __init__(
        self,
        connection: AsyncConnection,
        organizations: AbstractSet[str],
        policy: OperatorPolicy,
        now: datetime,
        missing: Missing,
        archived: ArchivedShard,
        closed: Mapping[int, ArchivedShard],
    ) -> None:
        """`closed` is what the archive has of closed shards, in which organizations of this one were before."""
        self._connection = connection
        self._organizations = sorted(organizations)
        self._policy = policy
        self._now = now
        self._missing = missing
        self._archived = archived
        self._closed = closed

    async def run(self, story: Story, head: Head, heard: Callable[[int], None]) -> AsyncIterator[Finding]:
        """Hear the whole log (`heard` is called with each position), and compare it with the topics and the tables.

        With those of a shard that is closed its organizations have to do no more: they are in another.
        """
        async for finding in self._archived.run(story, self._missing, heard):
            yield finding
        async for row, recorded_at in audit.log_rows(self._connection, story.shard):
            for finding in story.hear(row):
                yield finding
            for finding in self._missing.look(row, recorded_at):
                yield finding
            heard(row.position)
        for finding in story.end(head.position, head.hash, await audit.kept_from(self._connection)):
            yield finding
        if story.range.ends is None:
            for finding in self._missing.end():
                yield finding
        for position, boundary in await audit.lost_rows(self._connection, story.shard):
            trouble = f"its organization is noted as {boundary or 'none'}, which its key does not begin with"
            yield Finding(Promise.LOG, f"shard {story.shard}, position {position}", trouble)
        if story.range.ends is not None:
            async for finding in dead_letter_findings(self._connection, story):
                yield finding
            return
        # Include organizations that came after they were listed.
        subjects = story.projects.keys() | story.accounts.keys()
        self._organizations = sorted({*self._organizations, *(subject.split("/")[0] for subject in subjects)})
        async for finding in payer_findings(self._connection, self._organizations, story):
            yield finding
        async for finding in account_findings(
            self._connection, self._organizations, story, self._archived, self._closed, self._policy, self._now
        ):
            yield finding
        async for other in audit.unloadable_others(self._connection, self._organizations):
            yield Finding(Promise.STATE, other.place, other.trouble)
        async for finding in result_findings(
            self._connection, self._organizations, story, self._archived, self._closed
        ):
            yield finding
        async for finding in dead_letter_findings(self._connection, story):
            yield finding
