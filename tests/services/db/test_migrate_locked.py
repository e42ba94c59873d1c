"""Migrating while somebody holds a table: whoever works on it goes on, and is told of."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.migrate import migrate
from db.refusal import TablesLocked
from db.revisions import head_revision
from tests.services.db.earlier_tables import SHARDS, migrated_to
from tests.support.waiting import until

_SECRET = "ann@example.com"


@asynccontextmanager
async def _forgotten(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Have somebody look at the table that the migration changes, and leave the transaction open."""
    async with engine.connect() as connection:
        await connection.execute(text("SET application_name = 'a report'"))
        for limit in ("idle_in_transaction_session_timeout", "transaction_timeout"):
            await connection.execute(text(f"SET LOCAL {limit} = 0"))
        await connection.execute(text(f"SELECT name, '{_SECRET}' FROM installation"))  # noqa: S608 (a constant)
        yield connection


async def test_others_go_on_meanwhile(empty: AsyncEngine) -> None:
    await migrated_to(empty, "0016")
    told: list[str] = []
    async with _forgotten(empty) as forgotten:
        pid = (await forgotten.execute(text("SELECT pg_backend_pid()"))).scalar_one()
        whose = f"session {pid} (a report, idle in transaction, its transaction began "

        async def pause(_seconds: float) -> None:
            """Do what workers do between two attempts; end the transaction once it was told whose it is."""
            async with empty.begin() as connection:
                await connection.execute(text("SET LOCAL lock_timeout = '1s'"))
                await connection.execute(text("UPDATE installation SET name = name"))
                revision = await connection.execute(text("SELECT version_num FROM alembic_version"))
                assert revision.scalar_one() == "0016"
            if whose in told[-1]:
                await forgotten.rollback()

        assert await migrate(empty, "here", SHARDS, report=told.append, pause=pause) == ("0016", head_revision())
    assert whose in told[-1]
    assert "holds the table installation. Nothing is changed yet; the next attempt is in" in told[-1]
    assert not any(_SECRET in line for line in told)


async def test_nobody_waits_for_long_behind_it(empty: AsyncEngine) -> None:
    await migrated_to(empty, "0016")
    async with _forgotten(empty) as forgotten:
        migrating = asyncio.create_task(migrate(empty, "here", SHARDS))
        try:
            await until(lambda: _is_waiting(empty), "the migration waits for the table")
            async with empty.connect() as connection:
                # Less than a session's own limit, with which the migration would keep everybody waiting.
                await connection.execute(text("SET lock_timeout = '15s'"))
                await connection.execute(text("SELECT name FROM installation"))
        finally:
            await forgotten.rollback()
            assert await migrating == ("0016", head_revision())


async def _is_waiting(engine: AsyncEngine) -> bool:
    async with engine.connect() as connection:
        waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'installation'::regclass AND NOT granted"
        return bool((await connection.execute(text(waiting.replace(":", "\\:")))).scalar_one())


async def test_it_gives_up(empty: AsyncEngine) -> None:
    await migrated_to(empty, "0016")
    async with _forgotten(empty):
        with pytest.raises(TablesLocked, match=r"cannot be changed: .*Nothing was changed.*whopays migrate$"):
            await migrate(empty, "here", SHARDS, patience_seconds=0)
    async with empty.connect() as connection:
        assert (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar_one() == "0016"
