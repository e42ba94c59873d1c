"""Committing events as a worker does, without a broker."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from db.log import append, chain_rows
from db.placing import shard_of
from db.shards import lock_shards, move_heads
from schemas.events import BindingChanged, Cause, CurrentBinding, NoticeKind, ProjectBillingNotice
from schemas.outgoing import Outgoing
from workers.runtime.settings import Settings

SHARDS = Settings().shards


async def commit(engine: AsyncEngine, organization: str, *projects: str) -> tuple[int, int, datetime]:
    """Commit a notice to each of the projects; return the shard, its last position then, and the instant of all."""
    return await _commit(engine, organization, lambda now: [notice(organization, name, now) for name in projects])


async def commit_at(engine: AsyncEngine, shard: int, organization: str, *projects: str) -> int:
    """Commit a notice to each of the projects in a shard; return its last position then."""
    _, position, _ = await _commit(
        engine, organization, lambda now: [notice(organization, name, now) for name in projects], shard
    )
    return position


async def commit_binding(engine: AsyncEngine, organization: str, project: str, account: str) -> tuple[int, int]:
    """Commit the event of a project's first payer, and nothing else; return the shard and the event's position."""

    def bound(now: datetime) -> list[Outgoing]:
        current = CurrentBinding(
            binding_id=f"{organization}/{project}/1", account=account, established_at=now, currency_code="EUR",
            payment_terms=None,
        )  # fmt: skip
        event = BindingChanged(
            organization=organization, project=project, change="Bound", current=current, previous=None,
            cause=Cause(command_id="c", by="alice"),
        )  # fmt: skip
        subject = f"{organization}/{project}"
        return [
            Outgoing(event=event, boundary=organization, subject=subject, key=subject.encode(), time=now, sequence=1)
        ]

    shard, position, _ = await _commit(engine, organization, bound)
    return shard, position


async def _commit(
    engine: AsyncEngine, organization: str, told: Callable[[datetime], list[Outgoing]], at: int | None = None
) -> tuple[int, int, datetime]:
    shard = shard_of(organization, SHARDS) if at is None else at
    async with engine.begin() as connection:
        heads, now = await lock_shards(connection, [shard])
        rows, moved = chain_rows(heads, [(shard, one) for one in told(now)], "/whopays/test", now)
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
