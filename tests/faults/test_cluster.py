"""Three brokers, any one of which may be down: rolling kills, then two at once, and nothing is lost."""

import asyncio
from collections.abc import AsyncIterator
from random import Random

import pytest
import pytest_asyncio
from aiokafka.admin import AIOKafkaAdminClient

from tests.faults.checking import all_is_well
from tests.faults.cluster import BROKERS, Cluster, cluster
from tests.faults.load import loaded
from tests.faults.own_servers import OwnServers
from tests.faults.recovering import flows, recovers
from tests.support.installations import Installation
from workers.runtime.roles import Role
from workers.topics.plan import check_topics

pytestmark = pytest.mark.chaos

_ROUNDS = 1
_LONGEST_SECONDS = 15


@pytest_asyncio.fixture(scope="module")
async def three_brokers() -> AsyncIterator[Cluster]:
    """A cluster for the tests of this file."""
    async with cluster() as made:
        yield made


@pytest_asyncio.fixture
async def replicated(three_brokers: Cluster, breakable: OwnServers) -> AsyncIterator[Installation]:
    """A running whopays on three brokers: two processes, topics as `whopays topics create` makes them."""
    async with breakable.installation(three_brokers.bootstrap_servers) as made:
        await three_brokers.whole()
        await made.start(Role.PROJECTS, Role.PAYMENT_PROFILES, Role.ADMIN_COMMANDS)
        await made.start(Role.RELAY, Role.TIMERS)
        try:
            yield made
        finally:
            for broker in three_brokers.brokers:
                await broker.mend()


async def test_topics_are_replicated_as_the_brokers_are_told_to(
    replicated: Installation, three_brokers: Cluster
) -> None:
    assert await check_topics(replicated.settings) == []
    admin = AIOKafkaAdminClient(bootstrap_servers=three_brokers.bootstrap_servers)
    try:
        await admin.start()
        topics = await admin.describe_topics()
    finally:
        await admin.close()
    mine = [topic for topic in topics if topic["topic"].startswith(replicated.prefix)]
    assert mine
    assert {len(partition["replicas"]) for topic in mine for partition in topic["partitions"]} == {BROKERS}


async def test_one_broker_after_another_is_killed(
    replicated: Installation, three_brokers: Cluster, chance: Random
) -> None:
    async with loaded(replicated) as load:
        for _ in range(_ROUNDS):
            for broker in chance.sample(three_brokers.brokers, BROKERS):
                await flows(load)
                async with recovers(load, "one broker of three killed, while it is away"):
                    broker.kill()
                # Two are enough for everything.
                await flows(load)
                await broker.start_again()
                await three_brokers.whole()
    await all_is_well(load)


async def test_two_brokers_killed_at_once(replicated: Installation, three_brokers: Cluster, chance: Random) -> None:
    async with loaded(replicated) as load:
        for _ in range(_ROUNDS):
            await flows(load)
            both = chance.sample(three_brokers.brokers, 2)
            async with recovers(load, "two brokers of three killed at once"):
                for broker in both:
                    broker.kill()
                await asyncio.sleep(chance.uniform(0, _LONGEST_SECONDS))
                # In either order: the first of them restores the quorum and enough replicas.
                await asyncio.gather(*(broker.start_again() for broker in both))
            await three_brokers.whole()
    await all_is_well(load)


async def test_all_brokers_killed_at_once(replicated: Installation, three_brokers: Cluster) -> None:
    async with loaded(replicated) as load:
        await flows(load)
        async with recovers(load, "three brokers of three killed at once"):
            for broker in three_brokers.brokers:
                broker.kill()
            await asyncio.gather(*(broker.start_again() for broker in three_brokers.brokers))
        await three_brokers.whole()
    await all_is_well(load)


async def test_a_broker_that_hangs_is_replaced(
    replicated: Installation, three_brokers: Cluster, chance: Random
) -> None:
    async with loaded(replicated) as load:
        for broker in chance.sample(three_brokers.brokers, BROKERS):
            await flows(load)
            async with recovers(load, "one broker of three paused"):
                await broker.pause(chance.uniform(1, 2 * _LONGEST_SECONDS))
            await three_brokers.whole()
    await all_is_well(load)
