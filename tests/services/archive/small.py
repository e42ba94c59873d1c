"""A log whose partitions hold a few positions, and everything that may be archived of it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from audit.exported import export_log
from db import audit
from db.archive import catalog
from db.archive.catalog import Part, next_due
from db.archive.store import Store
from db.archive.writing import archive_partition

POSITIONS = 4
_FUNCTIONS = ("ensure_log_partitions()", "archive_log_partition(bigint, jsonb)")


async def shrink(engine: AsyncEngine, partitions: int = 60) -> None:
    """Divide an empty log into partitions of a few positions each."""
    async with engine.begin() as connection:
        for function in _FUNCTIONS:
            asked = text("SELECT pg_get_functiondef(CAST(:name AS regprocedure))")
            made = str((await connection.execute(asked, {"name": function})).scalar_one())
            small = made.replace(":= 1000000;", f":= {POSITIONS};")
            assert small != made
            await connection.exec_driver_sql(small)
        await connection.execute(text("DROP TABLE log_p0, log_p1"))
        for number in range(partitions):
            await connection.execute(text(f"CREATE TABLE log_p{number} (LIKE log INCLUDING ALL)"))
            bounds = f"FROM ({number * POSITIONS}) TO ({(number + 1) * POSITIONS})"
            await connection.execute(text(f"ALTER TABLE log ATTACH PARTITION log_p{number} FOR VALUES {bounds}"))


@contextmanager
def knowing_small_partitions() -> Iterator[None]:
    """Have this process know how small the partitions are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog, "PARTITION_POSITIONS", POSITIONS)
        patch.setattr(audit, "PARTITION_POSITIONS", POSITIONS)
        yield


async def archive_next(engine: AsyncEngine, store: Store, installation: str, beyond: int = -1) -> list[Part]:
    """Archive the next partition; return its files, none if nothing may go."""
    async with engine.connect() as connection:
        due = await next_due(connection, datetime.max.replace(tzinfo=UTC), beyond)
    parts: list[Part] = []
    if due is not None:
        *_, parts = [one async for one in archive_partition(engine, store, installation, due)]
    return parts


async def archive_all(engine: AsyncEngine, store: Store, installation: str) -> list[Part]:
    """Archive all that may go; return the files."""
    found: list[Part] = []
    while parts := await archive_next(engine, store, installation):
        found += parts
    return found


async def exported(engine: AsyncEngine, store: Store | None) -> list[bytes]:
    """Return the lines of an exported log."""
    lines: AsyncIterator[bytes] = export_log(engine, store, "small", lambda *_: None)
    return [line async for line in lines]


async def rows_in_table(engine: AsyncEngine) -> set[tuple[int, int]]:
    """Return the places of the rows that the table of the log has."""
    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT shard, position FROM log"))
        return {(row.shard, row.position) for row in rows}


async def value_of(engine: AsyncEngine, query: str) -> Any:
    """Return the one value that a query gives."""
    async with engine.connect() as connection:
        return (await connection.execute(text(query))).scalar_one()
