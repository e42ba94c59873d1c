"""Migrates a database to this version's tables. Only this module imports Alembic; `db.revisions` just checks."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.errors import is_lock_refused
from db.lock_holders import LockHolder, noting_lock_holders
from db.log import ensure_partitions
from db.migration_plan import oldest_code
from db.refusal import TablesLocked
from db.revisions import check_installation, head_revision, known_revision
from db.roles import act_as_owner, drop_bound_views, set_up_roles
from db.safety import check_takes_writes

LOCK_SECONDS = 2
"""How long a statement waits for a lock, and so do all sessions queued behind it for the same table.

Longer than PostgreSQL's `deadlock_timeout`, after which it cancels an autovacuum that is in the way.
"""
_LOCK_KEY = 0x77686F70617973
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 30.0
_PATIENCE_SECONDS = 600.0

Report = Callable[[str], None]


async def migrate(
    engine: AsyncEngine,
    installation: str,
    shards: int,
    first_shard: int = 0,
    *,
    report: Report = lambda _: None,
    with_roles: bool = False,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    patience_seconds: float = _PATIENCE_SECONDS,
) -> tuple[str | None, str]:
    """Create or upgrade the tables in one transaction; return the revision before (None: no tables) and after.

    `report` is called with the progress of a long migration. With `with_roles`, or if roles exist already, their
    privileges are updated. While another session holds a lock that is needed, everything is rolled back and retried
    after a `pause`, so that no session is blocked for longer than `LOCK_SECONDS`. Uses two connections. Raises
    DatabaseRefused.
    """
    given_up = time.monotonic() + patience_seconds
    seconds = _FIRST_PAUSE_SECONDS
    while True:
        holders: list[LockHolder] = []
        try:
            return await _migrate(engine, installation, shards, first_shard, report, holders, with_roles=with_roles)
        except DBAPIError as error:
            if not is_lock_refused(error):
                raise
            held = "; ".join(map(str, holders)) or "another session holds what it needs"
            if time.monotonic() + seconds > given_up:
                raise TablesLocked(
                    f"The tables cannot be changed: {held}. Nothing was changed. Have that transaction end "
                    "(SELECT pg_terminate_backend(PID) ends its session), then run again: whopays migrate"
                ) from error
        report(f"waiting: {held}. Nothing is changed yet; the next attempt is in {seconds:.0f} s.")
        await pause(seconds)
        seconds = min(2 * seconds, _LONGEST_PAUSE_SECONDS)


async def _migrate(
    engine: AsyncEngine,
    installation: str,
    shards: int,
    first_shard: int,
    report: Report,
    holders: list[LockHolder],
    *,
    with_roles: bool,
) -> tuple[str | None, str]:
    async with engine.begin() as connection, noting_lock_holders(engine, connection, holders):
        await check_takes_writes(connection)
        # Building an index of a large table takes a while.
        for limit, seconds in (("transaction_timeout", 0), ("statement_timeout", 0), ("lock_timeout", LOCK_SECONDS)):
            await connection.execute(text(f"SET LOCAL {limit} = '{seconds}s'"))
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
        has_roles = await act_as_owner(connection, installation)
        before = await connection.run_sync(known_revision)
        if before is not None:
            await check_installation(connection, installation, shards, first_shard)
        if before != head_revision():
            await drop_bound_views(connection)
        await connection.run_sync(_upgrade, report)
        if before is None:
            await _install(connection, installation, shards)
        await connection.execute(_RECORD_OLDEST_CODE, {"oldest": oldest_code()})
        await ensure_partitions(connection)
        if has_roles or with_roles:
            await set_up_roles(connection, installation, report)
    return before, head_revision()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("db") / "migrations"))
    return config


def _upgrade(connection: Connection, report: Report) -> None:
    config = _config()
    config.attributes["connection"] = connection
    config.attributes["report"] = report
    command.upgrade(config, "head")


async def _install(connection: AsyncConnection, installation: str, shards: int) -> None:
    names: dict[str, Any] = {"name": installation, "shards": shards}
    await connection.execute(text("INSERT INTO installation (name, shards) VALUES (:name, :shards)"), names)
    await connection.execute(text("INSERT INTO shards (shard) SELECT generate_series(0, :shards - 1)"), names)


_RECORD_OLDEST_CODE = text(
    "UPDATE installation SET oldest_code = :oldest WHERE oldest_code IS NULL OR oldest_code < CAST(:oldest AS text)"
)
