"""`whopays migrate --roles`, killed anywhere: a role never has more than is its part, and doing it again is enough."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from signal import SIGKILL
from uuid import uuid4

import pytest
from sqlalchemy import text

from db.engine import create_engine
from db.privileges import Party, role_name
from db.role_catalog import known_roles
from db.role_troubles import role_troubles
from embedded import Addresses
from tests.faults import failpoints
from tests.faults.failpoints import KILL
from tests.services.db.roles.parties import drop_roles
from tests.support.installations import administer, database, database_url, drop_database
from tests.support.warm import start_warm

_POINTS = failpoints.points(failpoints.OF_RIGHTS[:2])
_SOME = (
    "roles._make_roles: connection.execute after",
    "roles._grant: connection.execute (2) after",
    "migrate.migrate: engine.begin leaving",
    "migrate.migrate: engine.begin left",
)
_AFTER_ITS_COMMIT = "migrate.migrate: engine.begin left"
# Of a database that a whopays before had made roles in, and of one without any table.
_EARLIER = (
    "DROP SCHEMA whopays_bound CASCADE",
    "UPDATE alembic_version SET version_num = '0014'",
    "DROP TABLE bound_readers, read_ahead",
    "DROP FUNCTION ensure_log_partitions",
)


@pytest.mark.parametrize("point", _SOME)
async def test_killed_and_done_again(services: Addresses, template: str, point: str) -> None:
    assert point in _POINTS
    name = ""
    try:
        async with database(services, template) as (name, url):
            assert await _is_killed(name, url, point)
            await _insist_on_finishing(name, url, is_made=point == _AFTER_ITS_COMMIT)
    finally:
        await drop_roles(services, name)


@pytest.mark.chaos
async def test_killed_everywhere(services: Addresses) -> None:
    """On a database without tables, and on one that has roles and is behind: each place is reached on one of them."""
    reached = set()
    for point in _POINTS:
        for statements in ((), _EARLIER):
            async with _without_tables(services) as (name, url):
                if statements:
                    await _migrate(name, url)
                    await _alter(url, statements)
                if await _is_killed(name, url, point):
                    reached.add(point)
                    await _insist_on_finishing(name, url, is_made=bool(statements) or point == _AFTER_ITS_COMMIT)
    assert set(_POINTS) - reached == set()


async def _is_killed(name: str, url: str, point: str) -> bool:
    """Make roles with a failpoint, and return whether the process was killed there."""
    status = await _migrate(name, url, point)
    assert status in (0, -SIGKILL), status
    return status != 0


async def _insist_on_finishing(name: str, url: str, *, is_made: bool) -> None:
    """Look at what there is after the kill: all or nothing. Then do it again."""
    assert await _made(name, url) == (len(Party) if is_made else 0)
    assert await _migrate(name, url) == 0
    assert await _made(name, url) == len(Party)


async def _made(name: str, url: str) -> int:
    """Return how many of the roles there are, none of which has less or more than its part."""
    engine = create_engine(url, pool_size=1)
    try:
        async with engine.connect() as connection:
            assert [trouble async for trouble in role_troubles(connection, name)] == []
            return len(await known_roles(connection, [role_name(name, party) for party in Party]))
    finally:
        await engine.dispose()


async def _migrate(name: str, url: str, point: str | None = None) -> int:
    plan = {} if point is None else failpoints.environment({point: KILL})
    said = {"WHOPAYS_DATABASE_URL": url, "WHOPAYS_INSTALLATION": name}
    process = await start_warm("tests.faults.failing_worker", ["migrate", "--roles"], {**os.environ, **said, **plan})
    await process.stderr.read()
    return await process.wait()


async def _alter(url: str, statements: Sequence[str]) -> None:
    engine = create_engine(url, pool_size=1)
    try:
        async with engine.begin() as connection:
            for statement in statements:
                await connection.execute(text(statement))
    finally:
        await engine.dispose()


@asynccontextmanager
async def _without_tables(services: Addresses) -> AsyncIterator[tuple[str, str]]:
    name = f"k{uuid4().hex[:12]}"
    await administer(services, f'CREATE DATABASE "{name}"')
    try:
        yield name, database_url(services, name)
    finally:
        await drop_database(services, name)
        await drop_roles(services, name)
