"""The client on a network that loses answers, stalls and breaks: each command takes effect once, and gets its
result.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from sqlalchemy.ext.asyncio import AsyncEngine

from embedded import Addresses
from tests.services.client.acting import make_topic, story, write
from tests.services.client.telling import bind, new_organization, set_up
from tests.support.installations import Installation
from tests.support.kafka import published
from tests.support.proxies.kafka import ApiKey, KafkaProxy
from tests.support.waiting import patience, until
from whopays_client import BindingChanged, Connection, CreateAccount, NotAnswered, Publisher, SQLiteStore, Subscriber
from whopays_client.postgresql import PostgreSQLStore


@pytest_asyncio.fixture
async def way(shared: Installation) -> AsyncIterator[KafkaProxy]:
    """What lies between the client and the broker; whopays itself does not go this way."""
    host, port = shared.kafka_bootstrap_servers.split(",")[0].rsplit(":", 1)
    async with KafkaProxy(host, int(port)) as made:
        yield made


def through(way: KafkaProxy, shared: Installation, **kafka: object) -> Connection:
    """Return where the shared installation is, by that way."""
    return Connection(f"127.0.0.1:{way.port}", shared.prefix, kafka)


async def changes_of(shared: Installation, organization: str) -> list[str]:
    """Return what caused each change of payer of an organization."""
    found = [one for one in await published(shared) if one.topic == "bindings"]
    return [one.event["causationid"] for one in found if one.data["organization"] == organization]


async def test_acknowledgements_that_are_lost(shared: Installation, way: KafkaProxy) -> None:
    organization = new_organization()
    async with Publisher(through(way, shared), "/tests", person="alice", wait_seconds=patience(60)) as publisher:
        await set_up(publisher, organization, "main", "spare", projects=("web",))
        sent = []
        for number in range(6):
            lost = way.swallow_answer(ApiKey.PRODUCE)
            answer = await publisher.send(bind(organization, "web", ("spare", "main")[number % 2]))
            assert answer.outcome == "Applied"
            sent.append(answer.command_id)
            await asyncio.wait_for(lost, patience(30))
    assert (await changes_of(shared, organization))[1:] == sent


async def test_connections_that_break_again_and_again(shared: Installation, way: KafkaProxy) -> None:
    organization = new_organization()
    async with Publisher(through(way, shared), "/tests", person="alice", wait_seconds=patience(120)) as publisher:
        await set_up(publisher, organization, "main", "spare", projects=("web",))
        sending = [
            asyncio.create_task(publisher.send(bind(organization, "web", ("spare", "main")[number % 2])))
            for number in range(60)
        ]
        for _ in range(5):
            await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED, timeout=0.2)
            await way.sever()
        answers = await asyncio.gather(*sending)
    caused = (await changes_of(shared, organization))[1:]
    applied = [answer.command_id for answer in answers if answer.outcome == "Applied"]
    assert sorted(caused) == sorted(applied)
    assert len({answer.command_id for answer in answers}) == 60
    assert {answer.outcome for answer in answers} <= {"Applied", "Unchanged"}


async def test_a_broker_that_does_not_answer_in_time_leaves_the_id(shared: Installation, way: KafkaProxy) -> None:
    organization = new_organization()
    create = CreateAccount(organization=organization, account="main")
    connection = through(way, shared, request_timeout_ms=1500)
    async with Publisher(connection, "/tests", person="alice") as publisher:
        way.hold()
        with pytest.raises(NotAnswered, match="has not acknowledged") as unanswered:
            await publisher.send(create, wait_seconds=4)
        assert not unanswered.value.is_written
        await way.mend()
    async with Publisher(through(way, shared), "/tests", person="alice", wait_seconds=patience(60)) as publisher:
        answer = await publisher.send(create, id=unanswered.value.command_id)
        assert answer.outcome == "Applied"


async def test_a_command_that_may_have_been_written_is_sent_again_until_it_is_answered(
    shared: Installation, way: KafkaProxy
) -> None:
    organization = new_organization()
    connection = through(way, shared, request_timeout_ms=1500)
    async with Publisher(connection, "/tests", person="alice", wait_seconds=patience(90)) as publisher:
        # The first connects to the results.
        await publisher.send(CreateAccount(organization=new_organization(), account="main"))
        way.hold()
        sending = asyncio.create_task(publisher.send(CreateAccount(organization=organization, account="main")))
        # Longer than the producer itself tries: the client no longer knows whether it was written.
        await asyncio.wait({sending}, timeout=5)
        await way.mend()
        assert (await sending).outcome == "Applied"


async def test_a_reader_whose_database_goes_away_while_it_commits(services: Addresses, engine: AsyncEngine) -> None:
    stage = Connection(services.kafka_bootstrap_servers, f"s{uuid4().hex[:12]}.")
    await make_topic(stage, "bindings", 1)
    await write(stage, "bindings", story("web", 4))
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    async with asyncpg.create_pool(url, min_size=1, max_size=3) as pool:
        store = PostgreSQLStore(pool)
        await store.prepare()
        await pool.execute("CREATE TABLE seen (sequence bigint)")

        async def read(cut_at: int | None = None) -> None:
            async with Subscriber(stage, store, "reader", [BindingChanged], until_end=True, max_batch=2) as subscriber:
                async for change in subscriber:
                    await change.transaction.execute("INSERT INTO seen VALUES ($1)", change.heard.sequence)
                    if change.heard.sequence == cut_at:
                        pid = await change.transaction.fetchval("SELECT pg_backend_pid()")
                        await pool.execute("SELECT pg_terminate_backend($1)", pid)

        for cut_at in (2, 3):
            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
                await read(cut_at)
        await read()
        assert [row["sequence"] for row in await pool.fetch("SELECT * FROM seen ORDER BY sequence")] == [1, 2, 3, 4]


async def test_partitions_that_are_added_are_followed_and_no_order_is_lost(services: Addresses, tmp_path: Path) -> None:
    stage = Connection(services.kafka_bootstrap_servers, f"s{uuid4().hex[:12]}.", {"metadata_max_age_ms": 200})
    await make_topic(stage, "bindings", 1)
    store = SQLiteStore(tmp_path / "reader.db")
    found: list[int | None] = []
    see = found.append

    async def read() -> None:
        async with Subscriber(stage, store, "reader", [BindingChanged], poll_seconds=0.1) as subscriber:
            async for change in subscriber:
                see(change.heard.sequence)

    async def has_seen(sequence: int) -> bool:
        return sequence in found

    await write(stage, "bindings", story("web", 2))
    reading = asyncio.create_task(read())
    try:
        await until(lambda: has_seen(2), "the changes of before")
        admin = AIOKafkaAdminClient(bootstrap_servers=stage.bootstrap_servers)
        try:
            await admin.start()
            await admin.create_partitions({stage.topic("bindings"): NewPartitions(3)})
        finally:
            await admin.close()
        await write(stage, "bindings", story("web", 30, first=3), partition=0)
        await write(stage, "bindings", story("web", 2, first=33), partition=2)
        await until(lambda: has_seen(34), "the changes on a partition that was added")
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        store.close()
    assert found == list(range(1, 35))
