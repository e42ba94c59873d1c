"""Proxies in front of the real servers: what they hold back arrives late, what they swallow was carried out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from sqlalchemy import make_url

from schemas.topics import Topic
from tests.support.installations import Installation
from tests.support.kafka import published
from tests.support.proxies.kafka import ApiKey, HeldRequest
from tests.support.proxies.ways import Ways
from tests.support.waiting import until

_INVALID_PRODUCER_EPOCH = 47


@asynccontextmanager
async def _producer(installation: Installation, ways: Ways) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        bootstrap_servers=ways.environment["WHOPAYS_KAFKA_BOOTSTRAP_SERVERS"], transactional_id=installation.prefix
    )
    try:
        await producer.start()
        yield producer
    finally:
        await producer.stop()


async def _held_commit(
    producer: AIOKafkaProducer, installation: Installation, ways: Ways
) -> tuple[HeldRequest, asyncio.Task[None]]:
    """Commit one record in a transaction, and return the request that is held back, and the commit that waits."""
    held = ways.kafka.hold_back(ApiKey.END_TXN)
    await producer.begin_transaction()
    await producer.send_and_wait(f"{installation.prefix}{Topic.NOTICES}", b"one")
    committing = asyncio.create_task(producer.commit_transaction())
    await held.caught.wait()
    return held, committing


async def _values(installation: Installation) -> list[bytes]:
    return [one.value for one in await published(installation, Topic.NOTICES, are_events=False)]


async def _has_one(installation: Installation) -> None:
    """Wait until the markers of a committed transaction are written; a second record would have come before them."""

    async def found() -> list[bytes] | None:
        return await _values(installation) or None

    assert await until(found, "a committed record") == [b"one"]


async def test_all_of_kafka_goes_through_the_proxy(quiet_installation: Installation, ways: Ways) -> None:
    async with _producer(quiet_installation, ways) as producer:
        assert {broker.port for broker in producer.client.cluster.brokers()} == {ways.kafka.port}
        async with producer.transaction():
            await producer.send_and_wait(f"{quiet_installation.prefix}{Topic.NOTICES}", b"one")
        assert len(ways.kafka.links) > 0
    await _has_one(quiet_installation)


async def test_a_held_request_is_answered_when_it_is_delivered(quiet_installation: Installation, ways: Ways) -> None:
    async with _producer(quiet_installation, ways) as producer:
        held, committing = await _held_commit(producer, quiet_installation, ways)
        assert await _values(quiet_installation) == []
        assert await held.deliver() == {0}
        await committing
    await _has_one(quiet_installation)


async def test_a_request_is_delivered_after_its_client_has_gone(quiet_installation: Installation, ways: Ways) -> None:
    async with _producer(quiet_installation, ways) as producer:
        held, committing = await _held_commit(producer, quiet_installation, ways)
        held.give_up()
        # aiokafka retries by itself.
        await committing
    async with _producer(quiet_installation, ways):
        # A successor has started: what is delivered now is from its predecessor.
        assert await held.deliver() == {_INVALID_PRODUCER_EPOCH}
    await _has_one(quiet_installation)


async def test_a_swallowed_answer(quiet_installation: Installation, ways: Ways) -> None:
    async with _producer(quiet_installation, ways) as producer:
        swallowed = ways.kafka.swallow_answer(ApiKey.PRODUCE)
        async with producer.transaction():
            await producer.send_and_wait(f"{quiet_installation.prefix}{Topic.NOTICES}", b"one")
        assert swallowed.done()
    await _has_one(quiet_installation)


async def test_a_swallowed_commit(quiet_installation: Installation, ways: Ways) -> None:
    url = make_url(ways.environment["WHOPAYS_DATABASE_URL"]).set(drivername="postgresql")
    connection = await asyncpg.connect(url.render_as_string(hide_password=False))
    await connection.execute("CREATE TABLE kept (value text)")
    swallowed = ways.database.swallow_commit(having="INSERT INTO kept")
    async with connection.transaction():
        await connection.execute("SELECT 1")
    assert not swallowed.is_set()
    with pytest.raises((asyncpg.PostgresConnectionError, OSError)):
        async with connection.transaction():
            await connection.execute("INSERT INTO kept VALUES ($1)", "one")
    assert swallowed.is_set()
    connection.terminate()
    connection = await asyncpg.connect(url.render_as_string(hide_password=False))
    assert [row["value"] for row in await connection.fetch("SELECT value FROM kept")] == ["one"]
    await connection.close()
