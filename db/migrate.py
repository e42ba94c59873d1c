"""Migrating a database to this version's tables. Only who migrates imports Alembic; `db.revisions` only checks."""

from collections.abc import Callable
from importlib.resources import files
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.log import ensure_partitions
from db.revisions import check_installation, head_revision, known_revision
from db.roles import act_as_owner, drop_bound_views, set_up_roles
from db.safety import check_takes_writes

_LOCK_KEY = 0x77686F70617973


async def migrate(
    engine: AsyncEngine,
    installation: str,
    shards: int,
    *,
    report: Callable[[str], None] = lambda _: None,
    with_roles: bool = False,
) -> tuple[str | None, str]:
    """Create or upgrade the tables in one transaction; return the revision before (None: no tables) and after.

    `report` is called with the progress of a long migration. With roles, or where they were made once, each gets what
    it needs. Concurrent calls wait for each other. Raises DatabaseRefused.
    """
    async with engine.begin() as connection:
        await check_takes_writes(connection)
        for limit in ("transaction_timeout", "statement_timeout"):
            # Building the index of a large table takes a while.
            await connection.execute(text(f"SET LOCAL {limit} = 0"))
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
        has_roles = await act_as_owner(connection, installation)
        before = await connection.run_sync(known_revision)
        if before is not None:
            await check_installation(connection, installation, shards)
        if before != head_revision():
            await drop_bound_views(connection)
        await connection.run_sync(_upgrade, report)
        if before is None:
            await _install(connection, installation, shards)
        await ensure_partitions(connection)
        if has_roles or with_roles:
            await set_up_roles(connection, installation, report)
    return before, head_revision()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("db") / "migrations"))
    return config


def _upgrade(connection: Connection, report: Callable[[str], None]) -> None:
    config = _config()
    config.attributes["connection"] = connection
    config.attributes["report"] = report
    command.upgrade(config, "head")


async def _install(connection: AsyncConnection, installation: str, shards: int) -> None:
    names: dict[str, Any] = {"name": installation, "shards": shards}
    await connection.execute(text("INSERT INTO installation (name, shards) VALUES (:name, :shards)"), names)
    await connection.execute(text("INSERT INTO shards (shard) SELECT generate_series(0, :shards - 1)"), names)
