"""Migrating: an empty database, one already migrated, and every database that is refused."""

import asyncio
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from db import migrations
from db.load import load
from db.memory import Memory
from db.migrate import migrate
from db.migration_plan import oldest_code
from db.refusal import ForeignInstallation, UnknownDatabase, WrongSchema
from db.revisions import check, head_revision, revisions
from db.sealing import LocalKeys
from db.shards import lock_shards
from db.tables import metadata
from domain.needs import Needs
from schemas.instants import parse_instant
from tests.services.db.earlier_tables import SHARDS, migrated_to, run


async def test_an_empty_database_gets_the_tables_and_the_shards_once(empty: AsyncEngine) -> None:
    assert await migrate(empty, "here", SHARDS) == (None, head_revision())
    assert await migrate(empty, "here", SHARDS) == (head_revision(), head_revision())
    await check(empty, "here", SHARDS, is_disposable=True)
    async with empty.connect() as connection:
        shards = (await connection.execute(text("SELECT shard, position, hash FROM shards ORDER BY shard"))).all()
        partitions = await connection.execute(
            text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'log'::regclass ORDER BY 1")
        )
        assert list(partitions.scalars()) == ["log_p0", "log_p1"]
    assert [tuple(row) for row in shards] == [(number, 0, b"") for number in range(SHARDS)]


async def test_two_at_once_wait_for_each_other(empty: AsyncEngine) -> None:
    found = await asyncio.gather(migrate(empty, "here", SHARDS), migrate(empty, "here", SHARDS))
    assert sorted(found, key=str) == [(head_revision(), head_revision()), (None, head_revision())]


# PostgreSQL rewrites expressions in its own words, which Alembic does not compare.
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
    """Alembic does not compare check constraints."""
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


async def test_what_an_earlier_version_kept(empty: AsyncEngine) -> None:
    """From the first tables to the current ones: nothing is lost, and instants continue from the latest."""

    await migrated_to(empty, "0001")
    latest = parse_instant("2026-07-01T12:00:00.000002Z")
    await run(
        empty,
        (
            "INSERT INTO accounts (organization, account, version, phases, sequence, last_instant, phase, conditions, "
            "holds) VALUES ('acme', 'main', 1, 1, 1, '2026-07-01T12:00:00Z', 'Provisioning', '[]', '[]')"
        ),
        (
            "INSERT INTO projects (organization, project, state, version, bindings, sequence, last_instant) "
            "VALUES ('acme', 'web', 'Active', 1, 0, 0, '2026-07-01T12:00:00.000002Z')"
        ),
        (
            "INSERT INTO payment_profiles (organization, payment_profile, kind, state, version, expires_at) VALUES "
            "('acme', 'card', 'CreditCard', 'Valid', 1, '2030-01-01'), "
            "('acme', 'old', 'CreditCard', 'Invalid', 1, '2030-01-01'), ('acme', 'new', 'CreditCard', 'Valid', 1, NULL)"
        ),
    )
    assert await migrate(empty, "here", SHARDS) == ("0001", head_revision())
    await check(empty, "here", SHARDS, is_disposable=True)
    async with empty.connect() as connection:
        _, instant = await lock_shards(connection, [0])
        assert instant > latest
        last = await connection.execute(text("SELECT DISTINCT last_instant FROM shards"))
        assert list(last.scalars()) == [latest]
        needs = Needs(accounts={("acme", "main")}, projects={("acme", "web")})
        needs.payment_profiles |= {("acme", name) for name in ("card", "old", "new")}
        book = (
            await load(connection, needs, LocalKeys({"first": b"k" * 32}, "first"), Memory(0, len), now=latest)
        ).book
    known = [book.payment_profile("acme", name) for name in ("card", "old", "new")]
    assert [one and one.due_at for one in known] == [parse_instant("2030-01-01T00:00:00Z"), None, None]
    assert book.account("acme", "main") is not None
    assert book.project("acme", "web") is not None


async def test_the_indexes_are_those_that_the_code_describes(engine: AsyncEngine) -> None:
    """Alembic does not compare the conditions of partial indexes."""
    statement = text("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'")
    async with engine.connect() as connection:
        found = {row.indexname: row.indexdef for row in await connection.execute(statement)}
    described = {index.name: index for table in metadata.tables.values() for index in table.indexes}
    assert described
    for name, index in described.items():
        assert name in found
        assert ("UNIQUE" in found[str(name)]) is bool(index.unique)
        assert ("WHERE" in found[str(name)]) is (index.dialect_options["postgresql"]["where"] is not None)


async def test_tables_whose_rows_change_again_and_again_leave_room_for_that(engine: AsyncEngine) -> None:
    statement = text("SELECT relname, reloptions FROM pg_class WHERE relkind = 'r' AND reloptions IS NOT NULL")
    async with engine.connect() as connection:
        found = {row.relname: row.reloptions for row in await connection.execute(statement)}
    filled = {"projects": 80, "published": 50, "former_payers": 50, "shards": 20}
    assert found == {name: [f"fillfactor={percent}"] for name, percent in filled.items()}


def test_the_files_of_migrations_bear_the_revisions() -> None:
    """`db.revisions` believes their names, so that nobody who only checks imports Alembic."""
    scripts = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert revisions() == sorted(script.revision for script in scripts.walk_revisions())
    assert scripts.get_heads() == [head_revision()]


async def test_unmigrated(empty: AsyncEngine) -> None:
    with pytest.raises(WrongSchema, match="whopays migrate"):
        await check(empty, "here", SHARDS)


async def test_a_database_of_something_else(empty: AsyncEngine) -> None:
    await run(empty, "CREATE TABLE customers (name text)")
    with pytest.raises(UnknownDatabase, match="customers"):
        await migrate(empty, "here", SHARDS)
    await run(empty, *(f"CREATE TABLE customers_{number} (name text)" for number in range(5)))
    named = r"\(customers, customers_0, customers_1, customers_2, customers_3\)"
    with pytest.raises(UnknownDatabase, match=named):
        await check(empty, "here", SHARDS)
    with pytest.raises(UnknownDatabase, match="customers"):
        await check(empty, "here", SHARDS)


async def test_another_installation_or_other_shards(empty: AsyncEngine) -> None:
    await migrate(empty, "here", SHARDS)
    for refused in (migrate, check):
        with pytest.raises(ForeignInstallation, match='"here", not "there"'):
            await refused(empty, "there", SHARDS)
        with pytest.raises(ForeignInstallation, match="6 shards"):
            await refused(empty, "here", SHARDS + 1)


async def test_a_newer_version_was_here(empty: AsyncEngine) -> None:
    await migrate(empty, "here", SHARDS)
    await run(empty, "UPDATE alembic_version SET version_num = '9999'", "UPDATE installation SET oldest_code = '9998'")
    with pytest.raises(WrongSchema, match=f"newer than this.* revision 9999.* knows is {head_revision()}"):
        await migrate(empty, "here", SHARDS)
    with pytest.raises(
        WrongSchema, match=f"9999, which needs a version that knows 9998, .* knows is {head_revision()}"
    ):
        await check(empty, "here", SHARDS)


async def test_a_newer_version_was_here_that_left_what_this_one_needs(empty: AsyncEngine) -> None:
    await migrate(empty, "here", SHARDS)
    await run(
        empty,
        "UPDATE alembic_version SET version_num = '9999'",
        f"UPDATE installation SET oldest_code = '{head_revision()}'",  # noqa: S608 (a constant)
    )
    await check(empty, "here", SHARDS, is_disposable=True)
    with pytest.raises(ForeignInstallation):
        await check(empty, "there", SHARDS)
    with pytest.raises(WrongSchema, match="newer than this"):
        await migrate(empty, "here", SHARDS)


async def test_a_newer_version_was_here_that_did_not_say_who_works_beside_it(empty: AsyncEngine) -> None:
    await migrate(empty, "here", SHARDS)
    await run(empty, "UPDATE alembic_version SET version_num = '9999'", "UPDATE installation SET oldest_code = NULL")
    with pytest.raises(WrongSchema, match="newer than this"):
        await check(empty, "here", SHARDS)
    await run(empty, "ALTER TABLE installation RENAME TO former")
    with pytest.raises(WrongSchema, match="something else created them"):
        await check(empty, "here", SHARDS)


async def test_who_works_beside_this_version_is_noted(empty: AsyncEngine) -> None:
    await migrated_to(empty, "0016")
    await migrate(empty, "here", SHARDS)
    async with empty.connect() as connection:
        assert (await connection.execute(text("SELECT oldest_code FROM installation"))).scalar_one() == oldest_code()


async def test_an_older_version_was_here(empty: AsyncEngine) -> None:
    await migrate(empty, "here", SHARDS)
    await run(empty, "UPDATE alembic_version SET version_num = '0004'")
    with pytest.raises(WrongSchema, match=f"older than this.* 0004.* needs {head_revision()}.* run: whopays migrate"):
        await check(empty, "here", SHARDS)


async def test_a_migration_that_fails_leaves_nothing(empty: AsyncEngine) -> None:
    with pytest.raises(Exception, match="installation_has_shards"):
        await migrate(empty, "here", 0)
    async with empty.connect() as connection:
        tables = await connection.execute(text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"))
        assert tables.scalar_one() == 0
