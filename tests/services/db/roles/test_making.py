"""How roles are made and kept up to date, and when they are not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import create_engine
from db.migrate import migrate
from db.privileges import Party, role_name
from db.refusal import RolesRefused
from db.revisions import head_revision
from db.role_troubles import role_troubles
from embedded import Addresses
from tests.services.db.roles.parties import SHARDS, Parties, as_party, drop_roles
from tests.support.installations import administer, database_url, drop_database


async def test_doing_it_again_changes_nothing_and_says_so(made: Parties) -> None:
    assert any("made the role" in line for line in made.said)
    said: list[str] = []
    engine = create_engine(made.address(Party.OWNER), pool_size=1)
    try:
        for with_roles in (True, False):
            await migrate(engine, made.installation, SHARDS, report=said.append, with_roles=with_roles)
    finally:
        await engine.dispose()
    assert said == []
    async with as_party(made, Party.BOUND) as connection:
        assert await connection.fetchval("SELECT count(*) FROM accounts") == 1


async def test_what_was_granted_besides_is_taken_back(made: Parties) -> None:
    """By tables, by columns alone, and by functions; what each role needs it keeps."""
    worker, auditor = (role_name(made.installation, party) for party in (Party.WORKER, Party.AUDITOR))
    maintenance = role_name(made.installation, Party.MAINTENANCE)
    engine, owner = create_engine(made.database_url, pool_size=1), create_engine(made.address(Party.OWNER), pool_size=1)
    try:
        for statements, is_told in (
            (["GRANT SELECT ON log TO PUBLIC", f'GRANT DELETE ON log TO "{worker}"'], True),
            ([f'GRANT UPDATE (value) ON log TO "{worker}"'], True),
            ([f'GRANT EXECUTE ON FUNCTION {name} TO PUBLIC, "{auditor}"' for name in _FUNCTIONS], False),
        ):
            async with engine.begin() as connection:
                for statement in statements:
                    await connection.execute(text(statement))
            said: list[str] = []
            await migrate(owner, made.installation, SHARDS, report=said.append)
            assert said == (["set what each role may do"] if is_told else []), statements
            async with engine.connect() as connection:
                assert [one async for one in role_troubles(connection, made.installation)] == []
                for name, user in _FUNCTIONS.items():
                    may = [
                        (await connection.execute(_MAY_CALL, {"role": role, "function": name})).scalar_one()
                        for role in (worker, maintenance, auditor)
                    ]
                    assert may == [user is Party.WORKER, user is Party.MAINTENANCE, False], name
    finally:
        await engine.dispose()
        await owner.dispose()


_FUNCTIONS = {
    "ensure_log_partitions()": Party.WORKER,
    "archive_log_partition(bigint, jsonb)": Party.MAINTENANCE,
    "forget_dead_letters(bigint[])": Party.MAINTENANCE,
}
"""What may be called, and by whom."""
_MAY_CALL = text("SELECT has_function_privilege(CAST(:role AS name), :function, 'EXECUTE')")


@asynccontextmanager
async def _empty(services: Addresses) -> AsyncIterator[tuple[str, AsyncEngine]]:
    name = f"p{uuid4().hex[:12]}"
    await administer(services, f'CREATE DATABASE "{name}"')
    engine = create_engine(database_url(services, name), pool_size=1)
    try:
        yield name, engine
    finally:
        await engine.dispose()
        await drop_database(services, name)
        await administer(services, f'DROP ROLE IF EXISTS "{name}"')
        await drop_roles(services, name)


async def test_later_migrations_are_the_owners_and_grant_what_is_new(services: Addresses) -> None:
    async with _empty(services) as (name, engine):
        said: list[str] = []
        await migrate(engine, name, SHARDS)
        async with engine.begin() as connection:
            # As in databases of before PostgreSQL 15.
            await connection.execute(text("GRANT CREATE ON SCHEMA public TO PUBLIC"))
        await migrate(engine, name, SHARDS, report=said.append, with_roles=True)
        assert any("tables and functions now" in line for line in said)
        async with engine.connect() as connection:
            created = [(await connection.execute(_MAY_CREATE, {"role": role})).scalar_one() for role in _roles(name)]
            assert created == [True, False], "nobody puts a table before one of ours"
        said.clear()
        async with engine.begin() as connection:
            await connection.execute(text("DROP SCHEMA whopays_bound CASCADE"))
            # As it was before the last migration.
            await connection.execute(text("UPDATE alembic_version SET version_num = '0022'"))
            await connection.execute(text("DROP FUNCTION forget_dead_letters"))
        assert await migrate(engine, name, SHARDS, report=said.append) == ("0022", head_revision())
        assert said[-1] == "set what each role may do"
        async with engine.connect() as connection:
            owners = await connection.execute(
                text(
                    "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class "
                    "WHERE relnamespace = 'public'::regnamespace"
                )
            )
            assert list(owners.scalars()) == [role_name(name, Party.OWNER)]


def _roles(name: str) -> tuple[str, str]:
    return role_name(name, Party.OWNER), "public"


_MAY_CREATE = text("SELECT has_schema_privilege(CAST(:role AS name), 'public', 'CREATE')")


async def test_whoever_may_not_is_told_so(services: Addresses) -> None:
    async with _empty(services) as (name, engine):
        await migrate(engine, name, SHARDS)
        await administer(services, f"CREATE ROLE \"{name}\" LOGIN PASSWORD 'secret'")
        url = engine.url.set(username=name, password="secret").render_as_string(hide_password=False)
        weak = create_engine(url, pool_size=1)
        try:
            async with engine.begin() as connection:
                await connection.execute(text(f'GRANT ALL ON ALL TABLES IN SCHEMA public TO "{name}"'))
                await connection.execute(text(f'GRANT EXECUTE ON FUNCTION ensure_log_partitions() TO "{name}"'))
            with pytest.raises(RolesRefused, match=f'role "{name}" may not create roles.*CREATE ROLE "{name}_owner"'):
                await migrate(weak, name, SHARDS, with_roles=True)
            await administer(services, f'ALTER ROLE "{name}" CREATEROLE')
            for statement, words in (
                ("GRANT CREATE ON SCHEMA public TO PUBLIC", "Everybody may create tables in the schema"),
                ("REVOKE CREATE ON SCHEMA public FROM PUBLIC", "may not grant USAGE|may not grant CREATE"),
            ):
                async with engine.begin() as connection:
                    await connection.execute(text(statement))
                with pytest.raises(RolesRefused, match=words):
                    await migrate(weak, name, SHARDS, with_roles=True)
            await migrate(engine, name, SHARDS, with_roles=True)
            with pytest.raises(
                RolesRefused, match=f'belong to the role "{name}_owner", of which "{name}" is not a member'
            ):
                await migrate(weak, name, SHARDS)
        finally:
            await weak.dispose()


@pytest.mark.parametrize("attribute", ("LOGIN", "SUPERUSER", "CREATEROLE", "BYPASSRLS"))
async def test_a_role_that_may_more_is_not_taken(services: Addresses, attribute: str) -> None:
    async with _empty(services) as (name, engine):
        await administer(services, f'CREATE ROLE "{name}_worker" {attribute}')
        with pytest.raises(RolesRefused, match=f'role "{name}_worker" has the attributes {attribute}'):
            await migrate(engine, name, SHARDS, with_roles=True)


async def test_a_role_that_is_a_member_of_another_is_not_taken(services: Addresses) -> None:
    async with _empty(services) as (name, engine):
        await administer(services, f'CREATE ROLE "{name}"')
        await administer(services, f'CREATE ROLE "{name}_reader" IN ROLE "{name}"')
        with pytest.raises(RolesRefused, match=f'role "{name}_reader" is a member of "?{name}'):
            await migrate(engine, name, SHARDS, with_roles=True)
