"""What the relay refuses to publish, and what it must cope with."""

import asyncio
from urllib.request import urlopen

import pytest
from sqlalchemy import text

from tests.support.going_back import put_back
from tests.support.installations import Installation, Worker, free_port
from tests.support.kafka import all_consumed, exactly_published, published, send
from tests.support.messages import account, bind, profile, project
from tests.support.waiting import until
from workers.runtime.roles import Role

_CONSUMERS = (Role.PROJECTS, Role.PAYMENT_PROFILES, Role.ADMIN_COMMANDS)


async def _run(installation: Installation, *statements: str) -> None:
    async with installation.engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def _ends_in_failure(worker: Worker, words: str) -> None:
    await worker.logged(words)
    assert await worker.ended() != 0
    assert words in await worker.logged("error: ")


async def _with_events(installation: Installation) -> None:
    await send(installation, [profile("acme"), project("acme", "web"), account("acme", "main"), account("acme", "b")])
    await all_consumed(installation)
    await send(installation, [bind("acme", "web", ("main", "b")[number % 2], f"c{number}") for number in range(10)])
    await all_consumed(installation)


@pytest.mark.parametrize("running", (True, False), ids=["while it runs", "while it is down"])
async def test_a_database_that_went_back(quiet_installation: Installation, running: bool) -> None:
    installation = quiet_installation
    worker = await installation.start()
    await _with_events(installation)
    before = await exactly_published(installation)
    if not running:
        assert await worker.stop() == 0
    await put_back(installation.engine)
    if not running:
        worker = await installation.launch()
    await _ends_in_failure(worker, "the database was restored to an earlier state")
    assert len(await published(installation)) == len(before)


async def test_a_database_that_went_back_and_on(quiet_installation: Installation) -> None:
    installation = quiet_installation
    worker = await installation.start()
    await _with_events(installation)
    before = await exactly_published(installation)
    assert await worker.stop() == 0
    await _run(installation, "UPDATE log SET value = value || ' '", "UPDATE log SET hash = sha256(hash)")
    await _run(installation, "UPDATE shards SET hash = sha256(hash) WHERE position > 0")
    await installation.start(*_CONSUMERS)
    await send(installation, [project("acme", "later")])
    await all_consumed(installation, Role.PROJECTS)
    await _ends_in_failure(await installation.launch(Role.RELAY), "the database was restored to an earlier state")
    assert len(await published(installation)) == len(before)


async def test_one_that_waits_tells_what_the_other_leaves_unpublished(quiet_installation: Installation) -> None:
    installation = quiet_installation
    await installation.start(*_CONSUMERS)
    await _with_events(installation)
    await _run(
        installation,
        "INSERT INTO relay_leases (slot, owner, expires_at) VALUES (0, 'another', now() + interval '1 hour')",
    )
    async with installation.engine.connect() as connection:
        logged = (await connection.execute(text("SELECT count(*) FROM log"))).scalar_one()
    port = free_port()
    # A lease more than ten periods ahead would be taken for one from before the clock went back.
    await installation.start(Role.RELAY, WHOPAYS_METRICS_PORT=str(port), WHOPAYS_RELAY_LEASE_SECONDS="600")

    async def told() -> bool:
        metrics = await asyncio.to_thread(lambda: urlopen(f"http://127.0.0.1:{port}/metrics").read().decode())
        return f"whopays_events_unpublished {float(logged)}" in metrics

    assert logged > 0
    await until(told, "what is not published")


@pytest.mark.parametrize(
    "delete", ("DELETE FROM log WHERE position = 2", "DELETE FROM log WHERE position > 7"), ids=["inside", "at the end"]
)
async def test_a_hole_in_the_log(quiet_installation: Installation, delete: str) -> None:
    installation = quiet_installation
    await installation.start(*_CONSUMERS)
    await _with_events(installation)
    await _run(installation, delete)
    await _ends_in_failure(await installation.launch(Role.RELAY), "has a hole after position")


async def test_an_altered_row(quiet_installation: Installation) -> None:
    installation = quiet_installation
    await installation.start(*_CONSUMERS)
    await _with_events(installation)
    await _run(installation, "UPDATE log SET key = 'acme/other' WHERE position = 2")
    await _ends_in_failure(await installation.launch(Role.RELAY), "does not continue what was published")
    assert await published(installation) == []
