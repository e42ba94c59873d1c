"""What waits on an input topic, for status and top: what was not decided, of each partition from where that begins."""

import asyncio
import time

from aiokafka import AIOKafkaProducer

from cli.operating.waiting import Waiting, _assigned, looking
from db.reading_positions import read_at_least
from schemas.topics import Topic
from tests.support.installations import Installation
from tests.support.waiting import patience

_RECORDS: tuple[tuple[int, bytes | None, int], ...] = (
    (0, b"decided", 5000), (0, b"decided", 4000), (0, b"acme", 100), (1, b"globex", 1000), (1, None, 10),
)  # fmt: skip
"""Partition, key and age in seconds."""


async def _write(installation: Installation, name: str) -> None:
    now = int(time.time())
    plain = AIOKafkaProducer(bootstrap_servers=installation.kafka_bootstrap_servers, enable_idempotence=True)
    async with plain as producer:
        for partition, key, age in _RECORDS:
            await producer.send_and_wait(name, b"?", key, partition=partition, timestamp_ms=1000 * (now - age))
    transactional = AIOKafkaProducer(
        bootstrap_servers=installation.kafka_bootstrap_servers, transactional_id=f"{installation.prefix}sender"
    )
    async with transactional as producer, producer.transaction():
        await producer.send_and_wait(name, b"?", b"decided", partition=2)


async def test_what_was_not_decided_waits(quiet_installation: Installation) -> None:
    installation, name = quiet_installation, quiet_installation.settings.topic(Topic.PROJECTS)
    await asyncio.wait_for(_write(installation, name), patience(30))
    async with installation.engine.begin() as connection:
        await read_at_least(connection, name, {0: 2, 2: 1})
    async with looking(installation.settings) as look:
        found = await look.waiting(installation.engine, Topic.PROJECTS)
        assert (found.topic, found.records, found.readers) == (Topic.PROJECTS, 3, [])
        assert found.keys == {b"acme": 1, b"globex": 1, None: 1}
        assert 1000 <= found.seconds < 4000, "the oldest of those that wait"
        async with installation.engine.begin() as connection:
            await read_at_least(connection, name, {0: 3, 1: 2, 2: 2})
        assert await look.waiting(installation.engine, Topic.PROJECTS) == Waiting(Topic.PROJECTS, 0, 0.0, [])


def test_a_process_that_just_joined_has_no_partition_yet() -> None:
    assert _assigned(b"") == 0
