"""`whopays migrate --roles`, killed anywhere: a role never has more than is its part, and doing it again is enough."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from signal import SIGKILL
from uuid import uuid4

import pytest

from db.engine import create_engine
from db.privileges import Party, role_name
from db.role_catalog import known_roles
from db.role_troubles import role_troubles
from embedded import Addresses
from tests.faults import failpoints
from tests.faults.failpoints import KILL, TELL, Plan
from tests.services.db.roles.parties import drop_roles
from tests.support.installations import administer, database, database_url, drop_database
from tests.support.warm import start_warm

_POINTS = [point for point in failpoints.points(failpoints.OF_RIGHTS[:2]) if not point.endswith(" before")]
"""What is before a step is what is after the one before it."""
_SOME = (
    "roles._make_roles: connection.execute after",
    "roles._grant: connection.execute (2) after",
    "migrate._migrate: noting_lock_holders leaving",
    "migrate._migrate: noting_lock_holders left",
)
_AFTER_ITS_COMMIT = ("migrate._migrate: noting_lock_holders left", "migrate.migrate: _migrate after")
_OF_OTHERS = {
    "migrate.migrate: pause after",
    *(f"roles.{one} after" for one in ("act_as_owner: _me", "act_as_owner: _me (2)", "_make_roles: _me")),
    *(f"roles.set_up_roles: {one} after" for one in ("connection.execute (3)", "_me")),
    *(f"roles._open_schema: {one} after" for one in ("_me", "connection.execute (2)", "connection.execute (3)")),
}
"""Reached behind a table that is locked, by a login that is no superuser, and in databases of before PostgreSQL 15."""


@pytest.mark.parametrize("point", _SOME)
async def test_killed_and_done_again(services: Addresses, template: str, point: str) -> None:
    assert point in _POINTS
    name = ""
    try:
        async with database(services, template) as (name, url):
            assert await _is_killed(name, url, point)
            await _insist_on_finishing(name, url, is_made=point in _AFTER_ITS_COMMIT)
    finally:
        await drop_roles(services, name)


@pytest.mark.chaos
async def test_killed_everywhere(services: Addresses) -> None:
    """On a database without tables, or else on one that has roles."""
    left = set(_POINTS)
    for has_roles in (False, True):
        async with _new(services, has_roles=has_roles) as (name, url):
            told = await _told(name, url)
        for point in sorted(left & told):
            async with _new(services, has_roles=has_roles) as (name, url):
                assert await _is_killed(name, url, point), point
                await _insist_on_finishing(name, url, is_made=has_roles or point in _AFTER_ITS_COMMIT)
        left -= told
    assert left == _OF_OTHERS


async def _is_killed(name: str, url: str, point: str) -> bool:
    """Make roles with a failpoint, and return whether the process was killed there."""
    status, _ = await _run(name, url, {point: KILL})
    assert status in (0, -SIGKILL), status
    return status != 0


async def _told(name: str, url: str) -> set[str]:
    """Make roles, and return the failpoints that the process came to."""
    status, lines = await _run(name, url, dict.fromkeys(_POINTS, TELL))
    assert status == 0, lines
    return {point for point in _POINTS if failpoints.reached(point) in lines}


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


async def _migrate(name: str, url: str) -> int:
    return (await _run(name, url, {}))[0]


async def _run(name: str, url: str, plan: Plan) -> tuple[int, list[str]]:
    """Run `whopays migrate --roles` with failpoints, and return its exit status and what it wrote, in lines."""
    said = {"WHOPAYS_DATABASE_URL": url, "WHOPAYS_INSTALLATION": name, **failpoints.environment(plan)}
    process = await start_warm("tests.faults.failing_worker", ["migrate", "--roles"], {**os.environ, **said})
    lines = (await process.stderr.read()).decode().splitlines()
    return await process.wait(), lines


@asynccontextmanager
async def _new(services: Addresses, *, has_roles: bool) -> AsyncIterator[tuple[str, str]]:
    """Yield a database without tables, or one with roles."""
    name = f"k{uuid4().hex[:12]}"
    url = database_url(services, name)
    await administer(services, f'CREATE DATABASE "{name}"')
    try:
        if has_roles:
            assert await _migrate(name, url) == 0
        yield name, url
    finally:
        await drop_database(services, name)
        await drop_roles(services, name)
