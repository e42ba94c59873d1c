"""A server's disk is full, or slow: whopays waits and tries again, and what was sent has its effect once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from random import Random

import asyncpg
import pytest
import pytest_asyncio

from tests.faults.checking import all_is_well
from tests.faults.disk import filled, slow_disk, small_disk, why_no_disks, why_not_slow
from tests.faults.load import loaded
from tests.faults.own_servers import OwnServers, own_servers
from tests.faults.recovering import flows, recovers
from tests.support.installations import Installation
from tests.support.waiting import until

pytestmark = pytest.mark.chaos

_ENDS_SECONDS = 120
_SLOW_SECONDS = 0.4
_FULL_SECONDS = 8


@pytest_asyncio.fixture(scope="module")
async def disks() -> AsyncIterator[tuple[Path, Path]]:
    """A small disk for each of the servers."""
    reason = await asyncio.to_thread(why_no_disks)
    if reason is not None:
        pytest.skip(reason)
    with small_disk(500) as for_database, small_disk(500) as for_broker:
        yield for_database, for_broker


@pytest_asyncio.fixture(scope="module")
async def on_small_disks(disks: tuple[Path, Path]) -> AsyncIterator[OwnServers]:
    """Servers whose data is on the small disks."""
    small = {"max_wal_size": "64MB", "min_wal_size": "32MB"}
    async with own_servers(postgresql_folder=disks[0], kafka_folder=disks[1], postgresql_settings=small) as made:
        yield made


@pytest_asyncio.fixture
async def cramped(on_small_disks: OwnServers) -> AsyncIterator[Installation]:
    """A running whopays on the servers with small disks."""
    async with on_small_disks.installation() as made:
        await made.start()
        yield made


async def test_the_disk_of_postgresql_is_full(
    cramped: Installation, on_small_disks: OwnServers, disks: tuple[Path, Path]
) -> None:
    async with loaded(cramped) as load:
        await flows(load)
        async with recovers(load, "full disk of PostgreSQL, which crashed"):
            with filled(disks[0]):
                await _use_up_the_write_ahead_log(on_small_disks)
                await asyncio.sleep(_FULL_SECONDS)
            # It has ended, or restarts again and again.
            await on_small_disks.postgresql.mend()
            await on_small_disks.accepting()
    await all_is_well(load)


async def test_the_disk_of_postgresql_is_full_but_for_the_write_ahead_log(
    cramped: Installation, on_small_disks: OwnServers, disks: tuple[Path, Path]
) -> None:
    worker = cramped.workers[-1]
    async with loaded(cramped) as load:
        await flows(load)
        async with recovers(load, "full disk of PostgreSQL, which refused to write"):
            with filled(disks[0]):
                await worker.logged("batch_retried")
                await asyncio.sleep(_FULL_SECONDS)
            await on_small_disks.postgresql.mend()
            await on_small_disks.accepting()
    await all_is_well(load)


async def test_the_disk_of_the_broker_is_full(
    cramped: Installation, on_small_disks: OwnServers, disks: tuple[Path, Path]
) -> None:
    async with loaded(cramped) as load:
        await flows(load)
        async with recovers(load, "full disk of the broker, which ended"):
            with filled(disks[1]):
                await on_small_disks.kafka.ended()
            await on_small_disks.kafka.start_again()
    await all_is_well(load)


@pytest.mark.parametrize(
    ("server", "calls"),
    (("postgresql", ("fsync", "fdatasync")), ("kafka", ("fsync", "fdatasync", "pwrite64", "writev"))),
)
async def test_a_slow_disk(
    server: str, calls: tuple[str, ...], breakable: OwnServers, breaking: Installation, tmp_path: Path, chance: Random
) -> None:
    reason = await asyncio.to_thread(why_not_slow)
    if reason is not None:
        pytest.skip(reason)
    await breaking.start()
    slowed = breakable.postgresql if server == "postgresql" else breakable.kafka
    async with loaded(breaking) as load:
        await flows(load)
        slow = slow_disk(slowed.processes(), calls, chance.uniform(0.1, _SLOW_SECONDS), tmp_path / "calls")
        async with recovers(load, f"slow disk of {server}"), slow:
            await flows(load, 200)
    await all_is_well(load)


async def _use_up_the_write_ahead_log(own: OwnServers) -> None:
    """Make PostgreSQL's write-ahead log need more room than there is, so that it crashes."""

    async def has_crashed() -> bool:
        try:
            connection = await own.connect()
        except (asyncpg.PostgresError, OSError):
            pass
        else:
            with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                for _ in range(100):
                    # Not a table, for which there might be no room either.
                    await connection.execute("SELECT pg_logical_emit_message(true, 'one more', '')")
                    await connection.execute("SELECT pg_switch_wal()")
            connection.terminate()
        own.postgresql.processes()
        return "PANIC" in await asyncio.to_thread(own.postgresql.folder.log("postgresql").read_text, errors="replace")

    await until(has_crashed, "PostgreSQL's panic", _ENDS_SECONDS)
