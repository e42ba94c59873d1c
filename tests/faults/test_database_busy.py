"""A database with no connection left, or with tables locked by somebody else: whopays waits for its turn."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import asyncpg
import pytest
from sqlalchemy import text

from tests.faults.checking import all_is_well
from tests.faults.load import loaded
from tests.faults.own_servers import OwnServers
from tests.faults.recovering import RECOVERY_SECONDS, flows, recovers
from tests.soak.crew import manned
from tests.support.installations import Installation
from tests.support.waiting import until

_TABLES = ("shards", "log", "inbox", "projects", "accounts", "bindings", "pending_bindings", "relay_leases")
_RETRIED = "batch_retried"
_TOO_MANY = "TooManyConnectionsError"


async def test_a_table_held_by_somebody_else(quiet_installation: Installation, chance: Random) -> None:
    await quiet_installation.start()
    async with loaded(quiet_installation) as load:
        for table in chance.sample(_TABLES, 4):
            await flows(load, 40)
            async with recovers(load, f"lock on the table {table}"), _locked(quiet_installation, table):
                await _whopays_waits(quiet_installation)
    await all_is_well(load)


@pytest.mark.chaos
async def test_a_table_held_for_longer_than_whopays_waits(quiet_installation: Installation, chance: Random) -> None:
    installation = quiet_installation
    worker = await installation.start()
    async with loaded(installation) as load:
        for table in chance.sample(_TABLES[:6], 2):
            await flows(load)
            refused = _count(worker.lines, _RETRIED)
            async with (
                recovers(load, f"lock on the table {table} beyond the lock timeout"),
                _locked(installation, table),
            ):

                async def is_refused(before: int = refused) -> bool:
                    return _count(worker.lines, _RETRIED) >= before + 2

                await until(is_refused, "lock timeouts", RECOVERY_SECONDS)
    await all_is_well(load)


@pytest.mark.chaos
async def test_tables_altered_under_load(quiet_installation: Installation, chance: Random) -> None:
    """A process that finds a table altered under it may end; its supervisor restarts it."""
    async with manned(quiet_installation, {}):
        async with loaded(quiet_installation) as load, recovers(load, "tables altered again and again"):
            for turn in range(20):
                table = chance.choice(_TABLES[3:6])
                await flows(load, 20)
                async with quiet_installation.engine.begin() as connection:
                    await connection.execute(text(f"ALTER TABLE {table} ADD COLUMN more_{turn} integer"))
                async with quiet_installation.engine.begin() as connection:
                    await connection.execute(text(f"ALTER TABLE {table} DROP COLUMN more_{turn}"))
        await all_is_well(load)


@pytest.mark.chaos
async def test_no_connection_is_left(breakable: OwnServers, breaking: Installation, chance: Random) -> None:
    worker = await breaking.start()
    async with loaded(breaking) as load:
        await flows(load)
        async with recovers(load, "all connections taken by others"), _all_connections_taken(breakable):
            await worker.logged(_TOO_MANY)
            await asyncio.sleep(chance.uniform(0, 10))
    await all_is_well(load)


@pytest.mark.chaos
async def test_the_smallest_pool_suffices(quiet_installation: Installation) -> None:
    # The relay has one of the two all the time; three consumers, the timers and its own lease share the other one.
    await quiet_installation.start(WHOPAYS_DATABASE_POOL_SIZE="2")
    async with loaded(quiet_installation) as load:
        await flows(load, 200)
        async with recovers(load, "a pool of two connections, one of which waits"), _locked(quiet_installation, "log"):
            await _whopays_waits(quiet_installation)
    await all_is_well(load)


@asynccontextmanager
async def _locked(installation: Installation, table: str) -> AsyncIterator[None]:
    async with installation.engine.begin() as connection:
        # The limits that whopays sets do not apply to others' sessions.
        await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        await connection.execute(text("SET LOCAL transaction_timeout = 0"))
        await connection.execute(text(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
        yield


async def _whopays_waits(installation: Installation) -> None:
    """Wait until a session of whopays waits for a lock on a table."""

    async def look() -> bool:
        async with installation.engine.connect() as connection:
            waiting = await connection.execute(
                text(
                    "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
                    " AND wait_event_type = 'Lock' AND wait_event = 'relation'"
                )
            )
            return waiting.first() is not None

    await until(look, "a worker that stands at the lock")


@asynccontextmanager
async def _all_connections_taken(own: OwnServers) -> AsyncIterator[None]:
    """Take every connection there is, including those of whopays."""
    taken: list[asyncpg.Connection[asyncpg.Record]] = []
    taking = asyncio.create_task(_take(own, taken))
    try:
        yield
    finally:
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        for connection in taken:
            connection.terminate()


async def _take(own: OwnServers, taken: "list[asyncpg.Connection[asyncpg.Record]]") -> None:
    while True:
        try:
            taken.append(await own.connect())
        except asyncpg.TooManyConnectionsError:
            # Connections are taken from whopays, and used up before it can reconnect.
            await taken[0].execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'whopays'"
            )
            await asyncio.sleep(0)


def _count(lines: list[str], words: str) -> int:
    return sum(words in line for line in lines)
