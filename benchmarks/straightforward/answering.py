"""A command answered: one session, one transaction. The rules, and how events are written, are those of whopays."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from faststream_outbox import OutboxBroker
from sqlalchemy import and_, bindparam, literal, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from benchmarks.straightforward.tables import Account, Binding, Claim, Project, engine_of, outbox
from benchmarks.straightforward.topics import OUTBOX_QUEUE
from domain.book import Book
from domain.changed import Changed
from domain.decision import Clock
from domain.fold import fold
from domain.gathering import needs_of
from domain.messages import Answered
from schemas.commands import BindProject
from schemas.outgoing import render
from schemas.parsing import CommandMessage, read_command
from schemas.records import Record
from workers.runtime.settings import Settings

_MICROSECOND = timedelta(microseconds=1)

Involved = tuple[Project | None, Account | None, Claim | None]
"""A command's project, the account that is to pay for it, and who took the id before."""


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
        """Return once all that follows from a command is committed; of one that was answered before, nothing does.

        Raises Unanswerable for what is no command, and NotImplementedError for another than BindProject.
        """
        message = read_command(record, self._settings.max_value_bytes, self._policy)
        async with self._sessions.begin() as session:
            project, account, claimed = await _involved(message, session)
            book, needs = Book(), needs_of([message])
            book.look_up(organizations=needs.boundaries, projects=needs.projects, accounts=needs.accounts)
            book.load(row.record() for row in (project, account) if row is not None)
            identity = (message.organization, message.event.source, message.event.id)
            answered = Answered({} if claimed is None else {identity: claimed.fingerprint})
            folded = fold([message], book, answered, self._policy, Clock(_now_after(project)))
            if not folded.outgoing:
                return
            _store(book.changed, project, session)
            session.add_all(Claim.of(claim) for claim in folded.claims.values())
            await session.flush()
            # A microsecond is over before the transaction is; without it the library would NOTIFY.
            events = [render(event, str(uuid4()), self._settings.source) for event in folded.outgoing]
            await self._outbox.publish_batch(*events, queue=OUTBOX_QUEUE, session=session, activate_in=_MICROSECOND)


async def _involved(message: CommandMessage, session: AsyncSession) -> Involved:
    """Lock the project that a command names; only then read the rest, in one query."""
    command = message.command
    if not isinstance(command, BindProject):
        raise NotImplementedError(message.event.type)
    names = {"organization": command.organization, "project": command.project, "account": command.account}
    project = await session.scalar(_LOCK, names)
    rows = await session.execute(_REST, names | {"source": message.event.source, "command_id": message.event.id})
    account, claimed = rows.one()
    return project, account, claimed


def _now_after(project: Project | None) -> datetime:
    now = datetime.now(UTC)
    return now if project is None or project.payer_since is None else max(now, project.payer_since + _MICROSECOND)


def _store(changed: Changed, project: Project | None, session: AsyncSession) -> None:
    """Take over what was decided."""
    if changed.pending:
        raise NotImplementedError("a binding that is scheduled or waits")
    for changed_project in changed.projects.values():
        assert project is not None
        project.take(changed_project)
    session.add_all(map(Binding.of, changed.bindings))


# Statements are made once, so that SQLAlchemy need not find out each time that it has compiled them before.
_LOCK = (
    select(Project)
    .where(Project.organization == bindparam("organization"), Project.project == bindparam("project"))
    .with_for_update()
)
_REST = (
    select(Account, Claim)
    .select_from(select(literal(1)).subquery())
    .outerjoin(
        Account, and_(Account.organization == bindparam("organization"), Account.account == bindparam("account"))
    )
    .outerjoin(
        Claim,
        and_(
            Claim.organization == bindparam("organization"),
            Claim.source == bindparam("source"),
            Claim.command_id == bindparam("command_id"),
        ),
    )
)
