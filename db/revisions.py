"""Checks, without Alembic, whether a database has this version's tables: every process does so when it starts."""

import re
from importlib.resources import files
from importlib.resources.abc import Traversable

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.refusal import ForeignInstallation, UnknownDatabase, WrongSchema
from db.safety import check_safety

_MIGRATION = re.compile(r"(\d{4})_\w+\.py")
_VERSION_TABLE = "alembic_version"


async def check(
    engine: AsyncEngine,
    installation: str,
    shards: int,
    first_shard: int = 0,
    *,
    is_disposable: bool = False,
    only_reads: bool = False,
) -> None:
    """Check that this version can work on the database, and that it has these shards. Raises DatabaseRefused.

    `is_disposable` accepts settings under which a server crash loses commits; `only_reads` skips the checks that only
    matter for writing.
    """
    async with engine.connect() as connection:
        revision = await connection.run_sync(_revision)
        if revision is None:
            raise WrongSchema("The database is empty. Run: whopays migrate")
        if revision not in revisions():
            await _check_works_on_newer(connection, revision)
        elif revision != head_revision():
            raise WrongSchema(
                f"The database's tables are older than this version of whopays: they are at revision {revision}, and "
                f"it needs {head_revision()}. See what must be stopped (whopays migrate --plan), then run: whopays "
                "migrate"
            )
        await check_installation(connection, installation, shards, first_shard)
        if not only_reads:
            await check_safety(connection, is_disposable=is_disposable)


def revisions() -> list[str]:
    """Return the revisions that this version of the code knows, oldest first, from the names of its migration files."""
    return sorted(migration_files())


def migration_files() -> dict[str, Traversable]:
    """Return the migration files by revision."""
    folder = files("db") / "migrations" / "versions"
    return {name[1]: file for file in folder.iterdir() if (name := _MIGRATION.fullmatch(file.name))}


def head_revision() -> str:
    """Return the revision that this version of the code works with."""
    known = revisions()
    if not known:
        raise WrongSchema("This version of whopays has no migrations: the installation is incomplete.")
    return known[-1]


def known_revision(connection: Connection) -> str | None:
    """Return a database's revision, None if it is empty. Raises DatabaseRefused for an unknown revision."""
    revision = _revision(connection)
    if revision is not None and revision not in revisions():
        raise _newer(revision)
    return revision


def _revision(connection: Connection) -> str | None:
    # Resolved through the search path: a bound reader's views come before the tables.
    is_noted = connection.execute(text("SELECT to_regclass(:name)"), {"name": _VERSION_TABLE}).scalar_one() is not None
    noted = connection.execute(text(f"SELECT version_num FROM {_VERSION_TABLE}")) if is_noted else ()
    revision: str | None = next((row[0] for row in noted), None)
    if revision is None:
        tables = set(inspect(connection).get_table_names())
        if tables - {_VERSION_TABLE}:
            raise UnknownDatabase(
                f"The database holds tables that are not whopays' ({', '.join(sorted(tables)[:5])}). "
                "Give WHOPAYS_DATABASE_URL a database of its own."
            )
    return revision


async def _check_works_on_newer(connection: AsyncConnection, revision: str) -> None:
    """Check that this version still works after later migrations (docs/decisions/0033). Raises WrongSchema."""
    if (await connection.execute(text("SELECT to_regclass('installation')"))).scalar_one() is None:
        raise _newer(revision)
    oldest: str | None = (await connection.execute(_OLDEST_CODE)).scalar_one_or_none()
    if oldest is None or oldest > head_revision():
        raise _newer(revision, f"which needs a version that knows {oldest}" if oldest else "")


def _newer(revision: str, needs: str = "") -> WrongSchema:
    return WrongSchema(
        "The database's tables are newer than this version of whopays, or something else created them: they are at "
        f"revision {revision}{needs and f', {needs}'}, and the last that this version knows is {head_revision()}. "
        "Migrations are never undone: run the version that migrated them, or give WHOPAYS_DATABASE_URL another "
        "database."
    )


async def check_installation(connection: AsyncConnection, installation: str, shards: int, first_shard: int) -> None:
    """Check that the database is this installation's, with these shards. Raises ForeignInstallation."""
    found = (await connection.execute(_INSTALLATION)).one()
    first = int(found.first)
    if found.name != installation:
        raise ForeignInstallation(
            f'The database belongs to the installation "{found.name}", not "{installation}". '
            "Correct WHOPAYS_INSTALLATION or WHOPAYS_DATABASE_URL."
        )
    if found.shards - first != shards:
        raise ForeignInstallation(
            f"The installation was made with {found.shards - first} shards, which only `whopays reshard` changes; "
            f"WHOPAYS_SHARDS says {shards}."
        )
    if first != first_shard:
        raise ForeignInstallation(f"The installation's first shard is {first}; WHOPAYS_FIRST_SHARD says {first_shard}.")


_INSTALLATION = text(
    "SELECT name, shards, coalesce(to_jsonb(installation) ->> 'first_shard', '0') AS first FROM installation"
)
"""`first_shard` was always 0 before migration 0019, which added the column."""
# A database that is not ours may have a table of that name without the column.
_OLDEST_CODE = text("SELECT to_jsonb(installation) ->> 'oldest_code' FROM installation")
