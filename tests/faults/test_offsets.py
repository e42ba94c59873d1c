"""Moved offsets, deleted records, a re-created topic, a restored database."""

import asyncio
import json
from uuid import uuid4

import pytest
from sqlalchemy import text

from embedded import Addresses
from schemas.topics import OUTPUT_TOPICS, Topic
from tests.faults import points
from tests.faults.matrix import give_up_for_dead
from tests.faults.moving import (
    CONSUMERS,
    delete_groups,
    delete_records,
    ends,
    move_groups,
    noted,
    partitions,
    recreate,
    until_read,
)
from tests.faults.short_sighted_worker import AHEAD, READS_NO_FURTHER, SHORT_SIGHTED_WORKER
from tests.services.audit.auditing import findings_of
from tests.support.command_line import whopays_of
from tests.support.installations import Installation, Worker, administer
from tests.support.kafka import acknowledged_offsets, all_consumed, exactly_published, published, results, send
from tests.support.messages import account, bind, command, profile, project
from workers.runtime.roles import ALL_ROLES, Role

_FAR = 10**6
"""Kafka accepts any offset from a group."""


async def _say(installation: Installation, name: str) -> None:
    """Send what `_said` looks for later."""
    said = [project("acme", f"{name}-{n}") for n in range(12)]
    said += [bind("acme", f"{name}-{n}", "a", f"{name}-{n}", waitSeconds=60) for n in range(12)]
    await send(installation, said)


async def _said(installation: Installation, name: str) -> None:
    """Make sure that each of those commands took effect, once."""
    answered = results(await published(installation))
    assert {answered[f"{name}-{n}"]["outcome"] for n in range(12)} == {"Applied"}


async def _begun(installation: Installation) -> None:
    """Run a worker over a little of everything, and stop it."""
    worker = await installation.start()
    await send(installation, [profile("acme"), account("acme", "a")])
    await _say(installation, "before")
    await all_consumed(installation)
    assert await worker.stop() == 0


async def _audit(installation: Installation) -> None:
    """Wait until all is published, and make sure that nothing is wrong; the judge knows nothing of other topics."""
    await exactly_published(installation)
    assert await findings_of(installation) == []


def _lines(worker: Worker, words: str) -> list[str]:
    return [line for line in worker.lines if words in line]


async def test_offsets_are_moved_to_the_end_under_lag(quiet_installation: Installation) -> None:
    await _begun(quiet_installation)
    await _say(quiet_installation, "behind")
    await move_groups(quiet_installation, {role: await ends(quiet_installation, role) for role in CONSUMERS})
    assert "has acknowledged everything before" in str((await findings_of(quiet_installation))[0])
    worker = await quiet_installation.start()
    assert '"level": "warning"' in await worker.logged("group_ahead_of_database")
    await _audit(quiet_installation)
    await _said(quiet_installation, "behind")
    # Also beyond the end, from where Kafka itself would continue at a place of its own choice.
    await worker.stop()
    await _say(quiet_installation, "beyond")
    beyond = dict.fromkeys(partitions(quiet_installation, Role.ADMIN_COMMANDS), _FAR)
    await move_groups(quiet_installation, {Role.ADMIN_COMMANDS: beyond})
    await quiet_installation.start()
    await until_read(quiet_installation)
    await _audit(quiet_installation)
    await _said(quiet_installation, "beyond")


@pytest.mark.chaos
async def test_offsets_are_moved_to_the_beginning_or_vanish(quiet_installation: Installation) -> None:
    await _begun(quiet_installation)
    await move_groups(
        quiet_installation, {role: dict.fromkeys(partitions(quiet_installation, role), 0) for role in CONSUMERS}
    )
    await _say(quiet_installation, "rewound")
    known = await noted(quiet_installation, Role.ADMIN_COMMANDS)
    worker = await quiet_installation.start()
    await _audit(quiet_installation)
    await _said(quiet_installation, "rewound")
    again = await noted(quiet_installation, Role.ADMIN_COMMANDS)
    assert all(again[partition] >= offset for partition, offset in known.items())
    assert await worker.stop() == 0
    await _say(quiet_installation, "alone")
    await delete_groups(quiet_installation)
    assert not await acknowledged_offsets(quiet_installation, Role.ADMIN_COMMANDS)
    await quiet_installation.start()
    await _audit(quiet_installation)
    await _said(quiet_installation, "alone")


@pytest.mark.chaos
async def test_records_that_were_read_are_deleted(quiet_installation: Installation) -> None:
    await _begun(quiet_installation)
    for role in CONSUMERS:
        await delete_records(quiet_installation, role)
    worker = await quiet_installation.start()
    await _say(quiet_installation, "after")
    await _audit(quiet_installation)
    await _said(quiet_installation, "after")
    assert _lines(worker, "records_lost") == []


async def test_records_that_were_not_read_are_deleted(quiet_installation: Installation) -> None:
    await _begun(quiet_installation)
    known = await noted(quiet_installation, Role.ADMIN_COMMANDS)
    await _say(quiet_installation, "lost")
    found = await ends(quiet_installation, Role.ADMIN_COMMANDS)
    await delete_records(quiet_installation, Role.ADMIN_COMMANDS)
    (place,) = [one for one, end in found.items() if end > known[one.partition]]
    worker = await quiet_installation.start()
    line = await worker.logged("records_lost")
    assert f'"first": {known[place.partition]}, "last": {found[place] - 1}, "records": 12' in line
    await _say(quiet_installation, "after")
    await _audit(quiet_installation)
    await _said(quiet_installation, "after")
    # They are reported once.
    assert await worker.stop() == 0
    assert _lines(await quiet_installation.start(), "records_lost") == []


async def test_records_are_deleted_before_the_running_worker_got_to_them(quiet_installation: Installation) -> None:
    await _begun(quiet_installation)
    worker = await quiet_installation.start(module=SHORT_SIGHTED_WORKER, WHOPAYS_BATCH_MAX_RECORDS="20")
    await all_consumed(quiet_installation)
    asked = [command("SuspendAccount", f"s{n}", "acme", account="none", reason="Administrative") for n in range(500)]
    async with quiet_installation.engine.begin() as holding:
        # Nothing is decided meanwhile, so no more is read than may be read ahead.
        for limit in ("idle_in_transaction_session_timeout", "transaction_timeout"):
            await holding.execute(text(f"SET LOCAL {limit} = 0"))
        await holding.execute(text("SELECT FROM shards FOR UPDATE"))
        await send(quiet_installation, asked[: 2 * AHEAD])
        await worker.logged(READS_NO_FURTHER)
        # A request that is still on its way is answered by the first of the rest alone; none follows it.
        await send(quiet_installation, asked[2 * AHEAD : 2 * AHEAD + 1])
        await send(quiet_installation, asked[2 * AHEAD + 1 :])
        await delete_records(quiet_installation, Role.ADMIN_COMMANDS)
        # It says so while the partition is paused, and the first batch not decided.
        line = await worker.logged("records_lost")
    await _say(quiet_installation, "after")
    await _audit(quiet_installation)
    await _said(quiet_installation, "after")
    answered = results(await published(quiet_installation))
    read = sum(f"s{n}" in answered for n in range(500))
    assert AHEAD <= read == 500 - json.loads(line)["records"]
    assert _lines(worker, "records_lost") == [line]


@pytest.mark.parametrize("is_running", (False, pytest.param(True, marks=pytest.mark.chaos)))
async def test_a_topic_is_recreated(quiet_installation: Installation, is_running: bool) -> None:
    await _begun(quiet_installation)
    running = await quiet_installation.start() if is_running else None
    await all_consumed(quiet_installation)
    await recreate(quiet_installation, Topic.ADMIN_COMMANDS)
    worker = running or await quiet_installation.launch(*ALL_ROLES)
    assert await worker.ended() != 0
    await worker.logged("re-created")
    await worker.logged("topics adopt")
    await give_up_for_dead(quiet_installation, points.CONSUMERS)
    (await whopays_of(quiet_installation)("topics", "adopt")).expect(0)
    await _say(quiet_installation, "anew")
    await quiet_installation.start()
    await _audit(quiet_installation)
    await _said(quiet_installation, "anew")


@pytest.mark.chaos
async def test_a_topic_is_recreated_and_filled_beyond_what_was_read(quiet_installation: Installation) -> None:
    await _begun(quiet_installation)
    known = await noted(quiet_installation, Role.ADMIN_COMMANDS)
    await recreate(quiet_installation, Topic.ADMIN_COMMANDS)
    for number in range(2):
        await _say(quiet_installation, f"anew-{number}")
    await send(quiet_installation, [bind("globex", "none", "none", f"more-{number}") for number in range(9)])
    found = await ends(quiet_installation, Role.ADMIN_COMMANDS)
    assert all(end > known[partition.partition] for partition, end in found.items() if end)
    (await whopays_of(quiet_installation)("topics", "adopt")).expect(0)
    await quiet_installation.start()
    await _audit(quiet_installation)
    await _said(quiet_installation, "anew-0")


@pytest.mark.parametrize("is_gone", (False, pytest.param(True, marks=pytest.mark.chaos)))
async def test_the_database_is_restored_to_an_earlier_state(
    quiet_installation: Installation, services: Addresses, is_gone: bool
) -> None:
    await _begun(quiet_installation)
    name, later = quiet_installation.engine.url.database, f"t{uuid4().hex[:12]}"
    backup = f"t{uuid4().hex[:12]}"

    async def move(*statements: str) -> None:
        await quiet_installation.engine.dispose()
        for statement in statements:
            await administer(services, statement)

    await move(f'CREATE DATABASE "{backup}" TEMPLATE "{name}"')
    try:
        worker = await quiet_installation.start()
        await _say(quiet_installation, "after")
        await _audit(quiet_installation)
        assert await worker.stop() == 0
        await move(f'ALTER DATABASE "{name}" RENAME TO "{later}"', f'ALTER DATABASE "{backup}" RENAME TO "{name}"')
        consumers = await quiet_installation.start(*CONSUMERS)
        await consumers.logged("group_ahead_of_database")
        await until_read(quiet_installation)
        async with quiet_installation.engine.connect() as connection:
            claimed = await connection.execute(text("SELECT command_id FROM inbox WHERE command_id LIKE 'after-%'"))
            assert len(claimed.all()) == 12
        assert await consumers.stop() == 0
        # What was published contradicts it, even though the log is by now as long as it was.
        relay = await quiet_installation.launch(Role.RELAY)
        assert await relay.ended() != 0
        assert "the database was restored to an earlier state" in await relay.logged("role_failed")
        if is_gone:
            await recreate(quiet_installation, *OUTPUT_TOPICS, Topic.RELAY_POSITIONS)
            (await whopays_of(quiet_installation)("topics", "adopt", "--publish-again")).expect(0)
        else:
            # The operator restores the later state after all.
            await move(f'ALTER DATABASE "{name}" RENAME TO "{backup}"', f'ALTER DATABASE "{later}" RENAME TO "{name}"')
        await _say(quiet_installation, "later")
        await quiet_installation.start()
        await _audit(quiet_installation)
        await _said(quiet_installation, "after")
        await _said(quiet_installation, "later")
    finally:
        for one in (backup, later):
            await administer(services, f'DROP DATABASE IF EXISTS "{one}" WITH (FORCE)')


async def test_the_database_is_restored_under_a_running_worker(quiet_installation: Installation) -> None:
    await _begun(quiet_installation)
    worker = await quiet_installation.start()
    # It must have read something itself: whoever joins after the restoration begins where the database says.
    await _say(quiet_installation, "running")
    await all_consumed(quiet_installation)
    async with quiet_installation.engine.begin() as connection:
        await connection.execute(text("UPDATE reading_positions SET next_offset = next_offset / 2"))
    await _say(quiet_installation, "after")
    assert await worker.ended() != 0
    await worker.logged("the database knows less")
    await give_up_for_dead(quiet_installation, points.CONSUMERS)
    await quiet_installation.start()
    await until_read(quiet_installation)
    await _audit(quiet_installation)
    await _said(quiet_installation, "after")


@pytest.mark.chaos
async def test_a_zombie_commits_offsets_late(quiet_installation: Installation) -> None:
    """It may acknowledge too little or, were it broken, too much: neither is believed."""
    await _begun(quiet_installation)
    low = dict.fromkeys(partitions(quiet_installation, Role.ADMIN_COMMANDS), 1)
    high = dict.fromkeys(partitions(quiet_installation, Role.PROJECTS), _FAR)
    await move_groups(quiet_installation, {Role.ADMIN_COMMANDS: low, Role.PROJECTS: high})
    await _say(quiet_installation, "after")
    await asyncio.gather(quiet_installation.start(*CONSUMERS), quiet_installation.start())
    await until_read(quiet_installation)
    await _audit(quiet_installation)
    await _said(quiet_installation, "after")
