"""A PostgreSQL that could lose commits, or takes no writes, is refused, with the place where that was set."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import create_engine
from db.migrate import migrate
from db.refusal import UnsafeDatabase
from db.revisions import check
from embedded import Addresses
from tests.support.installations import administer, database_url, drop_database

_SHARDS = 6


@pytest_asyncio.fixture
async def migrated(services: Addresses, role: str) -> AsyncIterator[AsyncEngine]:
    """A migrated database of the test's own, dropped before the role that may own parts of it."""
    name = f"s{uuid4().hex[:12]}"
    await administer(services, f'CREATE DATABASE "{name}"')
    engine = create_engine(database_url(services, name), pool_size=1)
    await migrate(engine, "here", _SHARDS)
    yield engine
    await engine.dispose()
    await drop_database(services, name)


async def _set(engine: AsyncEngine, statement: str) -> None:
    """Run a statement about settings; they take effect for the next connection."""
    async with engine.begin() as connection:
        await connection.execute(text(statement))
    await engine.dispose()


@asynccontextmanager
async def _as(engine: AsyncEngine, role: str) -> AsyncIterator[AsyncEngine]:
    """Yield an engine for the same database that connects as another role."""
    url = engine.url.set(username=role, password="secret")
    other = create_engine(url.render_as_string(hide_password=False), pool_size=1)
    yield other
    await other.dispose()


async def _names(engine: AsyncEngine) -> tuple[str, str]:
    async with engine.connect() as connection:
        row = (await connection.execute(text("SELECT current_database(), current_user"))).one()
    return str(row[0]), str(row[1])


async def _check(engine: AsyncEngine, *, is_disposable: bool = True) -> None:
    await check(engine, "here", _SHARDS, is_disposable=is_disposable)


@pytest.mark.parametrize("value", ("off", "local"))
async def test_commits_that_one_database_forgets(migrated: AsyncEngine, value: str) -> None:
    name, _ = await _names(migrated)
    await _set(migrated, f'ALTER DATABASE "{name}" SET synchronous_commit = {value}')
    words = (
        f'synchronous_commit = {value} .set for the database "{name}" only.*DATABASE "{name}" RESET synchronous_commit'
    )
    with pytest.raises(UnsafeDatabase, match=words):
        await check(migrated, "here", _SHARDS)
    await _check(migrated)


async def test_commits_that_one_role_forgets(migrated: AsyncEngine, role: str) -> None:
    _, me = await _names(migrated)
    await _set(migrated, f'GRANT "{me}" TO "{role}"')
    await _set(migrated, f'ALTER ROLE "{role}" SET synchronous_commit = off')
    async with _as(migrated, role) as other:
        with pytest.raises(UnsafeDatabase, match=f'set for the role "{role}" only.*ALTER ROLE "{role}" RESET'):
            await _check(other, is_disposable=False)
        await _check(other)


async def test_a_database_that_is_set_to_be_read_only(migrated: AsyncEngine) -> None:
    name, _ = await _names(migrated)
    await _set(migrated, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    words = f'takes no writes: .*set for the database "{name}" only.*RESET default_transaction_read_only'
    with pytest.raises(UnsafeDatabase, match=words):
        await _check(migrated)
    with pytest.raises(UnsafeDatabase, match=words):
        await migrate(migrated, "here", _SHARDS)
    await check(migrated, "here", _SHARDS, only_reads=True)


async def test_a_role_that_is_set_to_be_read_only(migrated: AsyncEngine, role: str) -> None:
    name, me = await _names(migrated)
    await _set(migrated, f'GRANT "{me}" TO "{role}"')
    await _set(migrated, f'ALTER ROLE "{role}" IN DATABASE "{name}" SET default_transaction_read_only = on')
    async with _as(migrated, role) as other:
        with pytest.raises(UnsafeDatabase, match=f'set for the role "{role}" in the database "{name}" only'):
            await _check(other)


async def test_a_role_that_may_only_read(migrated: AsyncEngine, role: str) -> None:
    await _set(migrated, f'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{role}"')
    async with _as(migrated, role) as other:
        with pytest.raises(UnsafeDatabase, match=f'role "{role}" lacks the privilege UPDATE on the table shards'):
            await _check(other)
        await check(other, "here", _SHARDS, only_reads=True)


async def test_a_role_that_cannot_let_the_log_grow(migrated: AsyncEngine, role: str) -> None:
    _, me = await _names(migrated)
    await _set(migrated, f'GRANT ALL ON ALL TABLES IN SCHEMA public TO "{role}"')
    async with _as(migrated, role) as other:
        with pytest.raises(UnsafeDatabase, match=f'add partitions.*ensure_log_partitions.. TO "{role}"'):
            await _check(other)
        await _set(migrated, f'GRANT "{me}" TO "{role}"')
        await _check(other)


async def test_a_role_that_lacks_columns_of_a_table(migrated: AsyncEngine, role: str) -> None:
    await _set(migrated, f'GRANT ALL ON ALL TABLES IN SCHEMA public TO "{role}"')
    await _set(migrated, f'GRANT EXECUTE ON FUNCTION ensure_log_partitions() TO "{role}"')
    async with _as(migrated, role) as other:
        await _check(other)
        await _set(migrated, f'REVOKE UPDATE ON inbox FROM "{role}"')
        with pytest.raises(UnsafeDatabase, match=r"lacks the privilege UPDATE on the table inbox \(and 2 more\)"):
            await _check(other)
        await _set(migrated, f'GRANT UPDATE (shard, outcome) ON inbox TO "{role}"')
        with pytest.raises(UnsafeDatabase, match=r"lacks the privilege UPDATE on the table inbox\. "):
            await _check(other)
        await _set(migrated, f'GRANT UPDATE (position) ON inbox TO "{role}"')
        await _check(other)
