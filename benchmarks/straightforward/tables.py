"""The mapped classes: what BindProject needs to know, with the inbox and the library's outbox table."""

from datetime import datetime

from faststream_outbox import make_outbox_table
from faststream_outbox.autovacuum import outbox_autovacuum_ddl
from pydantic import TypeAdapter
from sqlalchemy import BigInteger, DateTime, LargeBinary, MetaData, Text, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.schema import CreateSchema

import domain.state as known
from domain.messages import Claim as NewClaim
from schemas.events import Closure, Condition, Phase
from schemas.facts import ProjectState
from schemas.terms import PaymentTerms
from workers.runtime.settings import Settings

SCHEMA = "straightforward"

_CONDITIONS = TypeAdapter(tuple[Condition, ...])

_COPIES = (
    """
    INSERT INTO straightforward.accounts
    SELECT organization, account, phase, CAST(conditions AS text), currency_code, CAST(payment_terms AS text),
        CAST(closure AS text)
    FROM public.accounts
    """,
    """
    INSERT INTO straightforward.projects
    SELECT organization, project, state, version, number, account, payer_since FROM public.projects
    """,
    """
    INSERT INTO straightforward.bindings
    SELECT organization, project, number, account, from_instant FROM public.bindings
    """,
    "ANALYZE straightforward.accounts, straightforward.projects, straightforward.bindings",
)


class Base(DeclarativeBase):
    """All tables of the straightforward worker."""

    metadata = MetaData(schema=SCHEMA)
    type_annotation_map = {  # noqa: RUF012 (read by SQLAlchemy, written by nobody)
        str: Text,
        int: BigInteger,
        bytes: LargeBinary,
        datetime: DateTime(timezone=True),
    }


class Account(Base):
    """An account, as far as a binding depends on it; what has members is kept as JSON."""

    __tablename__ = "accounts"

    organization: Mapped[str] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(primary_key=True)
    phase: Mapped[str]
    conditions: Mapped[str]
    currency_code: Mapped[str | None]
    payment_terms: Mapped[str | None]
    closure: Mapped[str | None]

    def record(self) -> known.Account:
        """Return what the rules know."""
        terms, closure = self.payment_terms, self.closure
        return known.Account(
            organization=self.organization,
            account=self.account,
            phase=Phase(self.phase),
            conditions=_CONDITIONS.validate_json(self.conditions),
            currency_code=self.currency_code,
            payment_terms=None if terms is None else PaymentTerms.model_validate_json(terms),
            closure=None if closure is None else Closure.model_validate_json(closure),
        )


class Project(Base):
    """A project, and who pays for it now."""

    __tablename__ = "projects"

    organization: Mapped[str] = mapped_column(primary_key=True)
    project: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[ProjectState] = mapped_column(Text)
    version: Mapped[int]
    number: Mapped[int]
    account: Mapped[str | None]
    payer_since: Mapped[datetime | None]

    def record(self) -> known.Project:
        """Return what the rules know."""
        return known.Project(
            organization=self.organization,
            project=self.project,
            state=self.state,
            version=self.version,
            number=self.number,
            account=self.account,
            payer_since=self.payer_since,
        )

    def take(self, record: known.Project) -> None:
        """Take over what a binding changes of it."""
        self.number = record.number
        self.account = record.account
        self.payer_since = record.payer_since


class Binding(Base):
    """A change of payer."""

    __tablename__ = "bindings"

    organization: Mapped[str] = mapped_column(primary_key=True)
    project: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    account: Mapped[str | None]
    from_instant: Mapped[datetime]

    @classmethod
    def of(cls, record: known.Binding) -> "Binding":
        """Return the row of a change."""
        return cls(
            organization=record.organization,
            project=record.project,
            number=record.number,
            account=record.account,
            from_instant=record.from_instant,
        )


class Claim(Base):
    """The inbox: a command's id, and what it meant."""

    __tablename__ = "inbox"

    organization: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    command_id: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[bytes]

    @classmethod
    def of(cls, claim: NewClaim) -> "Claim":
        """Return the row of a claim."""
        return cls(
            organization=claim.organization,
            source=claim.source,
            command_id=claim.command_id,
            fingerprint=claim.fingerprint,
        )


outbox = make_outbox_table(Base.metadata)


async def prepare(settings: Settings) -> None:
    """Make the tables and fill them from the installation's own: its accounts, projects and bindings."""
    engine = engine_of(settings, 1)
    async with engine.begin() as connection:
        await connection.execute(CreateSchema(SCHEMA))
        await connection.run_sync(Base.metadata.create_all)
        await connection.exec_driver_sql(outbox_autovacuum_ddl(outbox.name, schema=SCHEMA))
        for statement in _COPIES:
            await connection.exec_driver_sql(statement)
    await engine.dispose()


def engine_of(settings: Settings, connections: int) -> AsyncEngine:
    """Return an engine with a pool of so many connections, not checked before each use: that would cost a query."""
    url = make_url(settings.database_url).set(drivername="postgresql+asyncpg")
    return create_async_engine(url, pool_size=connections, max_overflow=0)
