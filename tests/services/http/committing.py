"""Committing events as a worker does, without a broker."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from db.log import append, chain_rows
from db.shards import lock_shards, move_heads, shard_of
from schemas.events import NoticeKind, ProjectBillingNotice
from schemas.outgoing import Outgoing
from workers.runtime.settings import Settings

SHARDS = Settings().shards


async def commit(engine: AsyncEngine, organization: str, *projects: str) -> tuple[int, int, datetime]:
    """Commit a notice to each of the projects; return the shard, its last position then, and the instant of all."""
    shard = shard_of(organization, SHARDS)
    async with engine.begin() as connection:
        heads, now = await lock_shards(connection, [shard])
        events = [(shard, notice(organization, project, now)) for project in projects]
        rows, moved = chain_rows(heads, events, "/whopays/test", now)
        await append(connection, rows)
        await move_heads(connection, moved)
    return shard, moved[shard].position, now


def notice(organization: str, project: str, instant: datetime) -> Outgoing:
    """Return an event of a project."""
    event = ProjectBillingNotice(
        organization=organization,
        project=project,
        account=None,
        kind=NoticeKind.PAYER_MISSING,
        reason="ProjectUnbound",
        message="",
    )
    subject = f"{organization}/{project}"
    return Outgoing(event=event, boundary=organization, subject=subject, key=subject.encode(), time=instant)
