"""What each role of the database may do, and what it must not."""

import asyncpg
import pytest

from db.engine import create_engine
from db.privileges import BOUND_VIEWS, PRIVILEGES, Party, needed, role_name
from db.refusal import UnsafeDatabase
from db.revisions import check
from db.tables import metadata
from tests.services.db.roles.parties import SHARDS, Parties, as_party

_PARTIES = (Party.WORKER, Party.READER, Party.AUDITOR, Party.BOUND)
_HISTORY = ("log", "log_p0", "bindings", "account_phases", "retired_uids", "forgotten_commands")
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
    "the archive": "SELECT public.archive_log_partition(0, '[]')",
    "dead letters": "SELECT public.forget_dead_letters('{}')",
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
    "forget a command": "DELETE FROM inbox",
    "forget a record": "DELETE FROM handled_records",
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
    async with as_party(made, party) as connection:
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
    async with as_party(made, party) as connection:
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
    async with as_party(made, Party.WORKER) as connection:
        async with connection.transaction():
            await connection.execute("UPDATE shards SET position = 1000000 WHERE shard = 1")
            await connection.execute("SELECT ensure_log_partitions()")
            await connection.execute("INSERT INTO log VALUES (1, 2000000, now(), 't', 'k', 'v', 'h', 'b')")
            owner = await connection.fetchval("SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'log_p2'")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("SELECT * FROM log_p2")
    assert owner == role_name(made.installation, Party.OWNER)


async def test_maintenance_takes_out_of_the_log_what_is_archived_and_nothing_else(made: Parties) -> None:
    async with as_party(made, Party.MAINTENANCE) as connection:
        with pytest.raises(asyncpg.RaiseError, match="is not what log_p0 holds"):
            await connection.execute(
                'SELECT archive_log_partition(0, \'[{"shard": 0, "first_position": 1, "last_position": 9}]\')'
            )
        assert await connection.fetchval("SELECT forget_dead_letters('{1}')") == 0, "its event is not archived"
        for statement in ("SELECT * FROM log", "DELETE FROM dead_letters"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)


async def test_who_pays_moves_with_the_bindings_under_a_worker(made: Parties) -> None:
    async with as_party(made, Party.WORKER) as connection:
        # Tables of its own in front of the real ones mislead nobody.
        await connection.execute("CREATE TEMP TABLE projects (LIKE public.projects)")
        await connection.execute("CREATE TEMP TABLE accounts (LIKE public.accounts)")
        await connection.execute(
            "INSERT INTO public.bindings (organization, project, number, account, from_instant) "
            "VALUES ('other', 'web', 2, NULL, now() + interval '1 second')"
        )
        row = await connection.fetchrow("SELECT number, account FROM public.projects WHERE organization = 'other'")
    assert tuple(row) == (2, None)
