"""Migrating a database to this version's tables, and refusing databases not to be touched (db/refusal.py)."""

from collections.abc import Callable
from importlib.resources import files
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.log import ensure_partitions
from db.refusal import ForeignInstallation, UnknownDatabase, WrongSchema
from db.safety import check_safety, check_takes_writes

_LOCK_KEY = 0x77686F70617973


async def migrate(
    engine: AsyncEngine, installation: str, shards: int, *, report: Callable[[str], None] = lambda _: None
) -> tuple[str | None, str]:
    """Create or upgrade the tables in one transaction; return the revision before (None: no tables) and after.

    `report` is called with the progress of a long migration. Concurrent calls wait for each other. Raises
    DatabaseRefused.
    """
    async with engine.begin() as connection:
        await check_takes_writes(connection)
        for limit in ("transaction_timeout", "statement_timeout"):
            # Building the index of a large table takes a while.
            await connection.execute(text(f"SET LOCAL {limit} = 0"))
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
        before = await connection.run_sync(_known_revision)
        if before is not None:
            await _check_installation(connection, installation, shards)
        await connection.run_sync(_upgrade, report)
        if before is None:
            await _install(connection, installation, shards)
        await ensure_partitions(connection)
    return before, head_revision()


async def check(
    engine: AsyncEngine, installation: str, shards: int, *, is_disposable: bool = False, only_reads: bool = False
) -> None:
    """Make sure that this database can be worked on. Raises DatabaseRefused.

    `is_disposable` accepts settings under which a server crash loses commits; with `only_reads`, any server will do.
    """
    async with engine.connect() as connection:
        revision = await connection.run_sync(_known_revision)
        if revision is None:
            raise WrongSchema("The database is empty. Run: whopays migrate")
        if revision != head_revision():
            raise WrongSchema(
                f"The database's tables are older than this version of whopays: they are at revision {revision}, and "
                f"it needs {head_revision()}. Stop everything that runs the previous version, then run: whopays migrate"
            )
        await _check_installation(connection, installation, shards)
        if not only_reads:
            await check_safety(connection, is_disposable=is_disposable)


def head_revision() -> str:
    """Return the revision that this version of the code works with."""
    head = _scripts().get_current_head()
    if head is None:
        raise WrongSchema("This version of whopays has no migrations: the installation is incomplete.")
    return head


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("db") / "migrations"))
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _known_revision(connection: Connection) -> str | None:
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None:
        tables = inspect(connection).get_table_names()
        if set(tables) - {"alembic_version"}:
            raise UnknownDatabase(
                f"The database holds tables that are not whopays' ({', '.join(sorted(tables)[:5])}). "
                "Give WHOPAYS_DATABASE_URL a database of its own."
            )
        return None
    if revision not in {script.revision for script in _scripts().walk_revisions()}:
        raise WrongSchema(
            "The database's tables are newer than this version of whopays, or something else created them: they are at "
            f"revision {revision}, and the last that this version knows is {head_revision()}. Migrations are never "
            "undone: run the version that migrated them, or give WHOPAYS_DATABASE_URL another database."
        )
    return revision


def _upgrade(connection: Connection, report: Callable[[str], None]) -> None:
    config = _config()
    config.attributes["connection"] = connection
    config.attributes["report"] = report
    command.upgrade(config, "head")


async def _install(connection: AsyncConnection, installation: str, shards: int) -> None:
    names: dict[str, Any] = {"name": installation, "shards": shards}
    await connection.execute(text("INSERT INTO installation (name, shards) VALUES (:name, :shards)"), names)
    await connection.execute(text("INSERT INTO shards (shard) SELECT generate_series(0, :shards - 1)"), names)


async def _check_installation(connection: AsyncConnection, installation: str, shards: int) -> None:
    found = (await connection.execute(text("SELECT name, shards FROM installation"))).one()
    if found.name != installation:
        raise ForeignInstallation(
            f'The database belongs to the installation "{found.name}", not "{installation}". '
            "Correct WHOPAYS_INSTALLATION or WHOPAYS_DATABASE_URL."
        )
    if found.shards != shards:
        raise ForeignInstallation(
            f"The installation was made with {found.shards} shards, which never changes; WHOPAYS_SHARDS says {shards}."
        )
