"""A command answered: one session, one transaction. The rules, and how events are written, are those of whopays."""

import os
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from faststream_outbox import OutboxBroker
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from benchmarks.straightforward.relay import KEY, QUEUE, TOPIC
from benchmarks.straightforward.tables import Account, Binding, Claim, Project, engine_of, outbox
from benchmarks.straightforward.topics import BINDINGS, RESULTS
from domain.book import Book, Changed
from domain.decision import Clock
from domain.fold import fold
from schemas.commands import BindProject
from schemas.outgoing import Outgoing, render
from schemas.reading import CommandMessage, read_command
from schemas.records import Record
from schemas.topics import Topic
from workers.settings import Settings

_TOPICS = {Topic.BINDINGS: BINDINGS, Topic.COMMAND_RESULTS: RESULTS}
_MICROSECOND = timedelta(microseconds=1)
NOTIFY = os.environ.get("S_NOTIFY", "1") == "1"


class Answering:
    """Answers commands, each in a transaction of its own; as many at a time as there are connections."""

    def __init__(self, settings: Settings, connections: int) -> None:
        self._settings = settings
        self._policy = settings.policy()
        self._engine = engine_of(settings, connections)
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False, autoflush=False)
        # It only adds rows here: without an engine it reads none.
        self._outbox = OutboxBroker(outbox_table=outbox, apply_types=False, logger=None)

    async def close(self) -> None:
        """Close the connections."""
        await self._engine.dispose()

    async def answer(self, record: Record) -> None:
        """Return once all that follows from a command is committed."""
        message = read_command(record, self._settings.max_value_bytes, self._policy)
        identity = (message.organization, message.event.source, message.event.id)
        async with self._sessions.begin() as session:
            project, account, active = await _involved(message, session)
            claimed = await session.get(Claim, identity)
            book = Book()
            book.load(row.record() for row in (project, account, active) if row is not None)
            fingerprints = {} if claimed is None else {identity: claimed.fingerprint}
            folded = fold([message], book, fingerprints, self._policy, Clock(_now_after(active)))
            await _store(book.changed, project, active, session)
            for claim in folded.claims.values():
                session.add(Claim.of(claim))
            await session.flush()
            for event in folded.outgoing:
                await self._publish(event, session)

    async def _publish(self, event: Outgoing, session: AsyncSession) -> None:
        value = render(event, str(uuid4()), self._settings.source)
        headers = {TOPIC: self._settings.topic(_TOPICS[event.topic]), KEY: (event.key or b"").decode()}
        await self._outbox.publish(
            value, queue=QUEUE, session=session, headers=headers,
            activate_in=None if NOTIFY else _MICROSECOND,
        )


async def _involved(
    message: CommandMessage, session: AsyncSession
) -> tuple[Project | None, Account | None, Binding | None]:
    """Lock the project that a command names, then read the account and the active binding."""
    match message.command:
        case BindProject(organization=organization, project=project, account=account):
            return (
                await session.get(Project, (organization, project), with_for_update=True),
                await session.get(Account, (organization, account)),
                await session.scalar(
                    select(Binding).where(
                        Binding.organization == organization, Binding.project == project, Binding.ended_at.is_(None)
                    )
                ),
            )
        case None:
            return None, None, None
        case _:
            raise NotImplementedError(type(message.command).__name__)


def _now_after(active: Binding | None) -> datetime:
    now = datetime.now(UTC)
    return now if active is None else max(now, active.established_at + _MICROSECOND)


async def _store(changed: Changed, project: Project | None, active: Binding | None, session: AsyncSession) -> None:
    """Take over what was decided. The active binding ends before the next begins: there is never more than one."""
    if changed.pending:
        raise NotImplementedError("a binding that is scheduled or waits")
    for change in changed.projects.values():
        assert project is not None
        project.take(change)
    begun = [Binding.of(change) for change in changed.bindings.values() if change.ended_at is None]
    for ended in (change for change in changed.bindings.values() if change.ended_at is not None):
        assert active is not None
        active.ended_at = ended.ended_at
        await session.flush()
    session.add_all(begun)
