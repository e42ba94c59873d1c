"""Compares the stored dead letters with those that were published."""

from collections.abc import AsyncIterator

from sqlalchemy.ext.asyncio import AsyncConnection

from audit.findings import Finding, Promise
from audit.log_story import Story, dead_record
from db import audit
from schemas.instants import format_instant


async def dead_letter_findings(connection: AsyncConnection, story: Story) -> AsyncIterator[Finding]:
    """Yield the dead letters of a shard that differ from their events, or exist on one side only."""
    told = dict(story.dead)
    async for letter in audit.all_dead_letters(connection, story.shard):
        place = f"dead letter {letter['number']}"
        kept = dead_record(letter["place"], format_instant(letter["timestamp"]), letter["reason"])
        published = told.pop(letter["position"], None)
        if published is None:
            if story.is_whole:
                where = f"shard {story.shard}, position {letter['position']}"
                yield Finding(Promise.DEAD_LETTERS, place, f"it is kept, but has no event at {where}")
        elif published != kept:
            yield Finding(Promise.DEAD_LETTERS, place, f"it is kept as {kept}, and was published as {published}")
    for position, published in told.items():
        where = f"shard {story.shard}, position {position}"
        yield Finding(Promise.DEAD_LETTERS, where, f"a dead letter was published that is not kept: {published}")
