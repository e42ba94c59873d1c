"""Several relays, each with a part of the shards: each event once and in order, whoever comes, goes, or hangs."""

import asyncio
import signal
from collections.abc import Sequence
from datetime import UTC, datetime

from aiokafka import AIOKafkaProducer

from audit.watermarks import read_watermarks
from db.placing import shard_of
from db.slots import division
from schemas.topics import Topic
from schemas.watermarks import Watermark
from tests.faults.moving import lose_records
from tests.support.command_line import whopays_of
from tests.support.installations import Installation, Worker
from tests.support.kafka import all_consumed, exactly_published, send
from tests.support.messages import account, bind, profile, project
from tests.support.waiting import until
from workers.publishing.dividing import slot_of
from workers.publishing.positions import Position, read_kept, render_position
from workers.runtime.roles import Role

_CONSUMERS = (Role.PROJECTS, Role.PAYMENT_PROFILES, Role.ADMIN_COMMANDS)
_ORGANIZATIONS = [f"org-{number}" for number in range(8)]
_QUICK = {"WHOPAYS_RELAY_LEASE_SECONDS": "2", "WHOPAYS_RELAY_BATCH_ROWS": "20"}


def _slots(number: int) -> dict[str, str]:
    return {**_QUICK, "WHOPAYS_RELAY_SLOTS": str(number)}


async def _begin(installation: Installation) -> None:
    slots = {slot_of(shard_of(one, installation.settings.shards), 3) for one in _ORGANIZATIONS}
    assert slots == {0, 1, 2}, "something to do for each"
    for name in _ORGANIZATIONS:
        await send(installation, [profile(name), project(name, "web"), account(name, "a"), account(name, "b")])
    await all_consumed(installation)


async def _bind(installation: Installation, rounds: Sequence[int]) -> None:
    for number in rounds:
        await send(installation, [bind(name, "web", "ab"[number % 2], f"{name}-{number}") for name in _ORGANIZATIONS])


async def _publishes(worker: Worker, *slots: int) -> None:
    async def does() -> bool:
        said = [line for line in worker.lines if "relay_publishes" in line]
        return all(any(f'"slot": {slot},' in line for line in said) for slot in slots)

    await until(does, f"a relay on each of the slots {slots}")


async def _closed(installation: Installation) -> None:
    """Wait until readers are told that all that has happened so far is there."""
    now = datetime.now(UTC)

    async def closes() -> bool:
        told = await read_watermarks(installation.settings)
        return bool(told) and Watermark.parsed(told[-1].value).closed_until >= now

    await until(closes, "a watermark that closes what has happened so far")


async def test_slots_are_shared_and_taken_over(quiet_installation: Installation) -> None:
    installation = quiet_installation
    await installation.start(*_CONSUMERS)
    first = await installation.start(Role.RELAY, **_slots(3))
    await _publishes(first, 0, 1, 2)
    await _begin(installation)
    second = await installation.start(Role.RELAY, **_slots(3))
    await second.logged("relay_publishes")
    await _bind(installation, range(10))
    await exactly_published(installation)
    await _closed(installation)
    await first.kill()
    await _bind(installation, range(10, 20))
    await _publishes(second, 0, 1, 2)
    await exactly_published(installation)
    await _closed(installation)
    (await whopays_of(installation)("verify")).expect(0)


async def test_the_number_of_slots_changes_under_load(quiet_installation: Installation) -> None:
    installation = quiet_installation
    await installation.start(*_CONSUMERS)
    alone = await installation.start(Role.RELAY, **_slots(1))
    await _begin(installation)
    await alone.logged("relay_publishes")
    three = await installation.start(Role.RELAY, **_slots(3))
    await three.logged("relay_slots_differ")
    binding = asyncio.create_task(_bind(installation, range(40)))
    alone.process.send_signal(signal.SIGSTOP)
    await _publishes(three, 0, 1, 2)
    alone.process.send_signal(signal.SIGCONT)
    await alone.logged("relay_slots_differ")
    await three.kill()
    await alone.kill()
    two = await installation.start(Role.RELAY, **_slots(2))
    await _publishes(two, 0, 1)
    async with installation.engine.connect() as connection:
        divided = await division(connection)
    assert (divided.number, divided.unfenced) == (2, frozenset()), "all others are fenced, once"
    await binding
    await exactly_published(installation)
    await _closed(installation)
    (await whopays_of(installation)("verify")).expect(0)


async def test_lost_positions_of_every_slot_are_restored(quiet_installation: Installation) -> None:
    installation = quiet_installation
    consumers = await installation.start(*_CONSUMERS)
    relay = await installation.start(Role.RELAY, **_slots(3))
    await _publishes(relay, 0, 1, 2)
    await _begin(installation)
    await exactly_published(installation)
    assert await relay.stop() == 0
    before = await read_kept(installation.settings)
    assert {slot_of(shard, 3) for shard in before.positions} == {0, 1, 2}
    await lose_records(installation, Topic.RELAY_POSITIONS)
    moved = (await whopays_of(installation)("topics", "restore-positions", "--json")).expect(0).document["moved"]
    assert {one["shard"]: one["to"] for one in moved} == {
        shard: found.position for shard, found in before.positions.items()
    }
    restored = await read_kept(installation.settings)
    assert (restored.positions, restored.last) == (before.positions, before.last)
    await installation.start(Role.RELAY, **_slots(3))
    await _bind(installation, range(2))
    await exactly_published(installation)
    assert await consumers.stop() == 0


async def test_positions_behind_an_open_transaction_of_another_slot_are_read(installation: Installation) -> None:
    settings = installation.settings
    topic = settings.topic(Topic.RELAY_POSITIONS)
    producers = [
        AIOKafkaProducer(
            bootstrap_servers=settings.kafka_bootstrap_servers, transactional_id=f"{installation.prefix}{name}"
        )
        for name in "ab"
    ]
    hangs, commits = producers
    try:
        for producer in producers:
            await producer.start()
            await producer.begin_transaction()
        for producer, shard in ((hangs, 1000), (commits, 1001)):
            key, value = render_position(shard, Position(7, b"hash"))
            await producer.send_and_wait(topic, key=key, value=value, partition=0)
        await commits.commit_transaction()
        reading = asyncio.create_task(read_kept(settings))
        await asyncio.wait([reading], timeout=1)
        await hangs.abort_transaction()
        positions = (await reading).positions
    finally:
        for producer in producers:
            await producer.stop()
    assert positions[1001] == Position(7, b"hash")
    assert 1000 not in positions
