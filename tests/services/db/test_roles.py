"""The database's roles: what each may do and what it must not, how they are made, and when they are not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.address import connect_arguments
from db.connecting import connect
from db.engine import create_engine
from db.migrate import migrate
from db.privileges import BOUND_VIEWS, PRIVILEGES, Party, needed, role_name
from db.refusal import RolesRefused, UnsafeDatabase
from db.revisions import check, head_revision
from db.tables import metadata
from embedded import Addresses
from tests.services.db.parties import SHARDS, Parties, drop_roles, parties
from tests.support.installations import administer, database_url, drop_database

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(services: Addresses) -> AsyncIterator[Parties]:
    """A database with roles, and rows of the organizations "acme" and "other"."""
    async with parties(services) as one:
        connection = await connect(**connect_arguments(one.database_url))
        try:
            for statement in _ROWS:
                await connection.execute(statement)
            await connection.execute("INSERT INTO bound_readers VALUES ($1, 'acme')", one.login(Party.BOUND))
        finally:
            await connection.close()
        yield one


_ROWS = tuple(
    statement.replace("ORG", organization).replace("NUMBER", str(number))
    for number, organization in ((1, "acme"), (2, "other"))
    for statement in (
        (
            "INSERT INTO accounts (organization, account, version, phases, sequence, phase, conditions, holds) "
            "VALUES ('ORG', 'main', 1, 1, 1, 'Provisioning', '[]', '[]')"
        ),
        "INSERT INTO organizations VALUES ('ORG', 'main')",
        "INSERT INTO account_contacts VALUES ('ORG', 'main', 'k', 'w', 's')",
        "INSERT INTO account_phases VALUES ('ORG', 'main', 1, NULL, 'Provisioning', 'r', 'm', 'b', 'c', now())",
        (
            "INSERT INTO payment_profiles (organization, payment_profile, kind, state, version, origin) "
            "VALUES ('ORG', 'card', 'CreditCard', 'Valid', 1, '{}')"
        ),
        "INSERT INTO projects (organization, project, state, version) VALUES ('ORG', 'web', 'Active', 1)",
        (
            "INSERT INTO bindings (organization, project, number, account, from_instant) "
            "VALUES ('ORG', 'web', 1, 'main', now())"
        ),
        "INSERT INTO former_payers VALUES ('ORG', 'main', now())",
        "INSERT INTO pending_bindings VALUES ('ORG', 'web', 2, 'Waiting', now(), 'main', '{}', 's', 't', '{}')",
        "INSERT INTO inbox VALUES ('ORG', 's', 'id', 'f', 1, NUMBER, 'Applied', 'web', 'main')",
        "INSERT INTO log VALUES (1, NUMBER, now(), 'projects', 'ORG/web', 'v', 'h', 'ORG')",
        (
            'INSERT INTO dead_letters (topic, partition, "offset", timestamp, reason, detail, recorded_at, size, '
            "organization, sealed) VALUES ('t', 0, NUMBER, now(), 'r', 'd', now(), 1, 'ORG', 's')"
        ),
        (
            "INSERT INTO dead_letter_actions (number, ordinal, action, by, at, reason) "
            "VALUES (NUMBER, 1, 'Discarded', 'b', now(), 'r')"
        ),
    )
)


@asynccontextmanager
async def _as(made: Parties, party: Party) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await connect(**connect_arguments(made.address(party)))
    try:
        yield connection
    finally:
        await connection.close()


_PARTIES = (Party.WORKER, Party.READER, Party.AUDITOR, Party.BOUND)
_HISTORY = ("log", "log_p0", "bindings", "account_phases", "inbox", "retired_uids", "handled_records")
_NOBODY: dict[str, str] = {
    **{
        f"{word} {table}": f"{word} {table}" for word in ("TRUNCATE", "DROP TABLE") for table in sorted(metadata.tables)
    },
    **{f"DELETE FROM {table}": f"DELETE FROM {table}" for table in (*_HISTORY, "accounts", "projects", "dead_letters")},
    **{f"ALTER TABLE {table}": f"ALTER TABLE {table} ADD COLUMN x text" for table in sorted(metadata.tables)},
    "log": "UPDATE log SET value = 'x'",
    "a partition": "INSERT INTO log_p0 VALUES (1, 9, now(), 't', 'k', 'v', 'h', 'b')",
    "bindings": "UPDATE bindings SET account = 'other'",
    "phases": "UPDATE account_phases SET phase = 'Ready'",
    "who pays": "UPDATE projects SET account = 'other'",
    "who pays, by a new project": "INSERT INTO projects (organization, project, state, version, account) "
    "VALUES ('acme', 'x', 'Active', 1, 'main')",
    "a command's meaning": "UPDATE inbox SET fingerprint = 'x'",
    "the installation": "UPDATE installation SET name = 'x'",
    "a function": "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "a table": "CREATE TABLE public.mine (x int)",
    "a trigger": "CREATE TRIGGER mine BEFORE INSERT ON log EXECUTE FUNCTION refuse_by_name()",
    "no trigger": "ALTER TABLE log DISABLE TRIGGER ALL",
    "triggers aside": "SET session_replication_role = replica",
    "a function replaced": "CREATE OR REPLACE FUNCTION public.ensure_log_partitions() RETURNS void LANGUAGE sql AS ''",
    "binding": "INSERT INTO public.bound_readers VALUES (session_user, 'other')",
    "the owner": 'SET ROLE "{owner}"',
    "another": 'SET SESSION AUTHORIZATION "{owner}"',
    "a role": "CREATE ROLE mine",
    "a member": 'GRANT "{owner}" TO CURRENT_USER',
    "a schema": "CREATE SCHEMA mine",
    "a file": "COPY shards TO '/tmp/mine'",
    "a program": "COPY shards FROM PROGRAM 'true'",
}
"""What none of them may do."""
_READERS = {
    "append": "INSERT INTO log VALUES (1, 9, now(), 't', 'k', 'v', 'h', 'b')",
    "move a head": "UPDATE shards SET position = 9",
    "change an account": "UPDATE accounts SET version = 9",
    "change a project": "UPDATE projects SET version = 9",
    "bind": "INSERT INTO bindings (organization, project, number, account, from_instant) "
    "VALUES ('acme', 'web', 2, NULL, now())",
    "take an id": "INSERT INTO inbox VALUES ('acme', 's', 'new', 'f', 1, 9, 'Applied', 'web', 'main')",
    "forget a contact": "DELETE FROM account_contacts",
    "a position": "INSERT INTO reading_positions VALUES ('t', 0, 1)",
    "a replay": "UPDATE replays SET state = 'Stopped'",
    "a partition": "SELECT public.ensure_log_partitions()",
    "lock": "SELECT 1 FROM shards FOR UPDATE",
}
"""What those who only read may not do."""
_HIDDEN = {
    Party.WORKER: ("SELECT * FROM last_audit", "SELECT * FROM bound_readers"),
    Party.READER: (
        "SELECT asker FROM dead_letters",
        "SELECT value FROM dead_letters",
        "SELECT * FROM bound_readers",
        "INSERT INTO last_audit VALUES (now(), now(), 1, '{}', '{}')",
    ),
    Party.AUDITOR: ("UPDATE bound_readers SET organization = 'other'",),
    Party.BOUND: (
        *(f"SELECT * FROM public.{table}" for table in BOUND_VIEWS),
        "SELECT * FROM public.bound_readers",
        "SELECT asker FROM whopays_bound.dead_letters LIMIT 0",
        "UPDATE whopays_bound.accounts SET version = 9",
        "DROP VIEW whopays_bound.accounts",
        "INSERT INTO last_audit VALUES (now(), now(), 1, '{}', '{}')",
    ),
}

_NOT_ALLOWED = (
    asyncpg.InsufficientPrivilegeError,
    # "permission denied" of a column that a view does not have.
    asyncpg.UndefinedColumnError,
    # What a bound reader names is a view.
    asyncpg.WrongObjectTypeError,
)


@pytest.mark.parametrize("party", _PARTIES)
async def test_what_a_role_must_not_do(made: Parties, party: Party) -> None:
    statements = {**_NOBODY, **({} if party is Party.WORKER else _READERS), **{one: one for one in _HIDDEN[party]}}
    if party is Party.BOUND:
        # At the tables themselves, past the views.
        statements |= {f"{what} itself": f"SET search_path = public; {one}" for what, one in statements.items()}
    owner = role_name(made.installation, Party.OWNER)
    wrong = {}
    async with _as(made, party) as connection:
        for what, statement in statements.items():
            transaction = connection.transaction()
            await transaction.start()
            try:
                await connection.execute(statement.replace("{owner}", owner))
                wrong[what] = "allowed"
            except _NOT_ALLOWED:
                pass
            except asyncpg.PostgresError as error:
                wrong[what] = repr(error)
            finally:
                await transaction.rollback()
    assert wrong == {}


@pytest.mark.parametrize("party", _PARTIES)
async def test_a_role_has_what_it_needs_and_no_more(made: Parties, party: Party) -> None:
    async with _as(made, party) as connection:
        rows = await connection.fetch(
            """
            SELECT CAST(CAST(pg_class.oid AS regclass) AS text) AS name, privilege, attname AS "column",
                has_table_privilege(pg_class.oid, privilege) AS whole
            FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0
            CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) AS privilege
            WHERE relnamespace = CAST('public' AS regnamespace) AND relkind IN ('r', 'p')
                AND CASE WHEN privilege IN ('SELECT', 'INSERT', 'UPDATE')
                    THEN has_column_privilege(pg_class.oid, attnum, privilege)
                    ELSE has_table_privilege(pg_class.oid, privilege) END
            """
        )
    found = {
        (row["name"].removeprefix("public."), row["privilege"], None if row["whole"] else row["column"]) for row in rows
    }
    assert found == set(needed(party))


async def test_a_bound_reader_sees_only_the_rows_of_its_organizations(made: Parties) -> None:
    seen = {}
    async with _as(made, Party.BOUND) as connection, _as(made, Party.AUDITOR) as auditing:
        for table in BOUND_VIEWS:
            name = {"log": "boundary"}.get(table, "organization")
            if table in ("replays", "dead_letter_actions"):
                seen[table] = await connection.fetchval(f"SELECT count(*) FROM {table}")
                continue
            assert await auditing.fetchval(f"SELECT count(DISTINCT {name}) FROM {table}") == 2, table
            seen[table] = await connection.fetchval(f"SELECT array_agg(DISTINCT {name}) FROM {table}")
    assert seen == {table: ["acme"] for table in BOUND_VIEWS} | {"replays": 0, "dead_letter_actions": 1}


@pytest.mark.parametrize(
    "trick",
    (
        "SET search_path = public, whopays_bound",
        "SET row_security = off",
        'SET ROLE "{bound}"',
        (
            "CREATE FUNCTION pg_temp.leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS "
            "'BEGIN RAISE WARNING ''%'', $1; RETURN true; END'"
        ),
        (
            "CREATE TEMP TABLE bound_readers (reader text, organization text); "
            "INSERT INTO bound_readers VALUES (session_user, 'other'); SET search_path = pg_temp, whopays_bound, public"
        ),
        "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off",
    ),
)
async def test_nothing_that_a_bound_reader_sets_shows_it_more(made: Parties, trick: str) -> None:
    heard: list[str] = []
    async with _as(made, Party.BOUND) as connection:
        connection.add_log_listener(lambda _, message: heard.append(str(message)))
        await connection.execute(trick.replace("{bound}", role_name(made.installation, Party.BOUND)))
        where = "WHERE pg_temp.leak(organization)" if "leak" in trick else ""
        rows = await connection.fetch(f"SELECT organization FROM whopays_bound.accounts {where}")
    assert [row["organization"] for row in rows] == ["acme"]
    assert [words for words in heard if "other" in words] == []


async def test_every_table_is_thought_of() -> None:
    of_organizations = {
        name for name, table in metadata.tables.items() if {"organization", "boundary"} & set(table.columns.keys())
    }
    assert of_organizations & set(PRIVILEGES[Party.BOUND]) == set()
    assert of_organizations & set(PRIVILEGES[Party.READER]) <= set(BOUND_VIEWS)
    assert set(PRIVILEGES[Party.READER]) == set(PRIVILEGES[Party.BOUND]) | set(BOUND_VIEWS)


async def test_a_worker_may_work_and_no_reader_may(made: Parties) -> None:
    for party in (Party.OWNER, *_PARTIES):
        engine = create_engine(made.address(party), pool_size=1)
        try:
            await check(engine, made.installation, SHARDS, only_reads=True)
            if party in (Party.OWNER, Party.WORKER):
                await check(engine, made.installation, SHARDS, is_disposable=True)
            else:
                with pytest.raises(UnsafeDatabase, match="lacks the privilege UPDATE on the table shards"):
                    await check(engine, made.installation, SHARDS, is_disposable=True)
        finally:
            await engine.dispose()


async def test_the_log_grows_under_a_worker(made: Parties) -> None:
    async with _as(made, Party.WORKER) as connection:
        async with connection.transaction():
            await connection.execute("UPDATE shards SET position = 1000000 WHERE shard = 1")
            await connection.execute("SELECT ensure_log_partitions()")
            await connection.execute("INSERT INTO log VALUES (1, 2000000, now(), 't', 'k', 'v', 'h', 'b')")
            owner = await connection.fetchval("SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'log_p2'")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("SELECT * FROM log_p2")
    assert owner == role_name(made.installation, Party.OWNER)


async def test_who_pays_moves_with_the_bindings_under_a_worker(made: Parties) -> None:
    async with _as(made, Party.WORKER) as connection:
        # Tables of its own in front of the real ones mislead nobody.
        await connection.execute("CREATE TEMP TABLE projects (LIKE public.projects)")
        await connection.execute("CREATE TEMP TABLE accounts (LIKE public.accounts)")
        await connection.execute(
            "INSERT INTO public.bindings (organization, project, number, account, from_instant) "
            "VALUES ('other', 'web', 2, NULL, now() + interval '1 second')"
        )
        row = await connection.fetchrow("SELECT number, account FROM public.projects WHERE organization = 'other'")
    assert tuple(row) == (2, None)


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
    async with _as(made, Party.BOUND) as connection:
        assert await connection.fetchval("SELECT count(*) FROM accounts") == 1


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
        await migrate(engine, name, SHARDS, report=said.append, with_roles=True)
        assert any("tables and functions now" in line for line in said)
        said.clear()
        async with engine.begin() as connection:
            await connection.execute(text("DROP SCHEMA whopays_bound CASCADE"))
            await connection.execute(text("UPDATE alembic_version SET version_num = '0014'"))
            await connection.execute(text("DROP TABLE bound_readers, read_ahead"))
            await connection.execute(text("DROP FUNCTION ensure_log_partitions"))
        assert await migrate(engine, name, SHARDS, report=said.append) == ("0014", head_revision())
        assert said[-1] == "set what each role may do"
        async with engine.connect() as connection:
            owners = await connection.execute(
                text(
                    "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class "
                    "WHERE relnamespace = 'public'::regnamespace"
                )
            )
            assert list(owners.scalars()) == [role_name(name, Party.OWNER)]


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
            with pytest.raises(RolesRefused, match=f'role "{name}" may not grant USAGE|may not grant CREATE'):
                await migrate(weak, name, SHARDS, with_roles=True)
            await migrate(engine, name, SHARDS, with_roles=True)
            with pytest.raises(
                RolesRefused, match=f'belong to the role "{name}_owner", of which "{name}" is no member'
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
