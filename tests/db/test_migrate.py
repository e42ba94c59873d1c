"""Migrating: from nothing to these tables, again, and every database that is refused."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import create_engine
from db.migrate import (
    ForeignInstallation,
    UnknownDatabase,
    UnsafeDatabase,
    WrongSchema,
    check,
    head_revision,
    migrate,
)
from db.tables import metadata
from embedded import Addresses
from tests.installations import administer, database_url, drop_database

_SHARDS = 6


@pytest_asyncio.fixture
async def empty(services: Addresses) -> AsyncIterator[AsyncEngine]:
    """A database without any table."""
    name = f"e{uuid4().hex[:12]}"
    await administer(services, f'CREATE DATABASE "{name}"')
    engine = create_engine(database_url(services, name))
    yield engine
    await engine.dispose()
    await drop_database(services, name)


async def _run(engine: AsyncEngine, statement: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(statement))


async def _set(engine: AsyncEngine, setting: str) -> None:
    await _run(engine, f'ALTER DATABASE "{engine.url.database}" SET {setting}')
    await engine.dispose()


async def test_an_empty_database_gets_the_tables_and_the_shards_once(empty: AsyncEngine) -> None:
    assert await migrate(empty, "here", _SHARDS) == (None, head_revision())
    assert await migrate(empty, "here", _SHARDS) == (head_revision(), head_revision())
    await check(empty, "here", _SHARDS, is_disposable=True)
    async with empty.connect() as connection:
        shards = (await connection.execute(text("SELECT shard, position, hash FROM shards ORDER BY shard"))).all()
        partitions = await connection.execute(
            text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'log'::regclass ORDER BY 1")
        )
        assert list(partitions.scalars()) == ["log_p0", "log_p1"]
    assert [tuple(row) for row in shards] == [(number, 0, b"") for number in range(_SHARDS)]


async def test_two_at_once_wait_for_each_other(empty: AsyncEngine) -> None:
    found = await asyncio.gather(migrate(empty, "here", _SHARDS), migrate(empty, "here", _SHARDS))
    assert sorted(found, key=str) == [(head_revision(), head_revision()), (None, head_revision())]


# PostgreSQL keeps what is computed in words of its own, which Alembic does not compare.
@pytest.mark.filterwarnings("ignore:Computed default")
async def test_the_tables_are_those_that_the_code_describes(engine: AsyncEngine) -> None:
    def differences(connection: Connection) -> list[object]:
        def include(_object: object, name: str | None, kind: str, _reflected: bool, _compared: object) -> bool:
            return not (kind == "table" and name is not None and name.startswith("log_p"))

        options = {"include_object": include, "compare_type": True, "compare_server_default": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_the_constraints_are_those_that_the_code_describes(engine: AsyncEngine) -> None:
    """Alembic compares no checks."""
    async with engine.connect() as connection:
        rows = await connection.execute(
            text(
                "SELECT conname FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid "
                "WHERE connamespace = 'public'::regnamespace AND contype <> 'n' AND NOT relispartition "
                "AND relname <> 'alembic_version'"
            )
        )
        found = set(rows.scalars())
    assert found == {str(one.name) for table in metadata.tables.values() for one in table.constraints}


async def test_unmigrated(empty: AsyncEngine) -> None:
    with pytest.raises(WrongSchema, match="whopays migrate"):
        await check(empty, "here", _SHARDS)


async def test_a_database_of_something_else(empty: AsyncEngine) -> None:
    await _run(empty, "CREATE TABLE customers (name text)")
    with pytest.raises(UnknownDatabase, match="customers"):
        await migrate(empty, "here", _SHARDS)
    with pytest.raises(UnknownDatabase, match="customers"):
        await check(empty, "here", _SHARDS)


async def test_another_installation_or_other_shards(empty: AsyncEngine) -> None:
    await migrate(empty, "here", _SHARDS)
    for refused in (migrate, check):
        with pytest.raises(ForeignInstallation, match='"here", not "there"'):
            await refused(empty, "there", _SHARDS)
        with pytest.raises(ForeignInstallation, match="6 shards"):
            await refused(empty, "here", _SHARDS + 1)


async def test_a_newer_version_was_here(empty: AsyncEngine) -> None:
    await migrate(empty, "here", _SHARDS)
    await _run(empty, "UPDATE alembic_version SET version_num = '9999'")
    for refused in (migrate, check):
        with pytest.raises(WrongSchema, match="9999"):
            await refused(empty, "here", _SHARDS)


@pytest.mark.parametrize("value", ("off", "local"))
async def test_settings_that_forget_commits(empty: AsyncEngine, value: str) -> None:
    await migrate(empty, "here", _SHARDS)
    await _set(empty, f"synchronous_commit = {value}")
    with pytest.raises(UnsafeDatabase, match=r"synchronous_commit|fsync"):
        await check(empty, "here", _SHARDS)
    await check(empty, "here", _SHARDS, is_disposable=True)


async def test_a_migration_that_fails_leaves_nothing(empty: AsyncEngine) -> None:
    with pytest.raises(Exception, match="installation_has_shards"):
        await migrate(empty, "here", 0)
    async with empty.connect() as connection:
        tables = await connection.execute(text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"))
        assert tables.scalar_one() == 0
