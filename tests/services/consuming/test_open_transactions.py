"""A producer leaves a transaction open on an input topic: the waiting worker says so, and continues when it ends."""

from aiokafka import AIOKafkaProducer

from schemas.topics import Topic
from tests.support.installations import Installation, free_port
from tests.support.kafka import exactly_published, results, send
from tests.support.messages import account
from tests.support.metrics import scrape, value_of
from tests.support.waiting import until


async def test_a_transaction_that_is_left_open_is_told_of(quiet_installation: Installation) -> None:
    installation = quiet_installation
    topic = installation.settings.topic(Topic.ADMIN_COMMANDS)
    producer = AIOKafkaProducer(
        bootstrap_servers=installation.kafka_bootstrap_servers,
        transactional_id=f"{installation.prefix}forgetful",
        transaction_timeout_ms=600_000,
    )
    async with producer:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, key=b"acme", value=b"held", partition=0)
        for partition in range(installation.settings.topic_partitions):
            said = account("acme", f"behind-{partition}")
            async with AIOKafkaProducer(bootstrap_servers=installation.kafka_bootstrap_servers) as other:
                await other.send_and_wait(
                    topic, key=said.key, value=said.value, headers=list(said.headers), partition=partition
                )
        port = free_port()
        worker = await installation.start(WHOPAYS_METRICS_PORT=str(port))
        line = await worker.logged("transaction_left_open")
        assert f'"partition": "{topic}/0"' in line
        assert f"describe-producers --topic {topic} --partition 0" in line
        assert '"waiting": 2' in line

        async def behind() -> bool:
            """Also what nobody may read yet."""
            where = {"topic": topic, "partition": "0"}
            return value_of(await scrape(port), "whopays_consumer_lag_records", **where) == 2

        await until(behind, "that both are told to wait")
        await producer.abort_transaction()
    await send(installation, [account("acme", "later")])
    found = results(await exactly_published(installation))
    assert found.keys() >= {"create-later", *(f"create-behind-{one}" for one in range(3))}
    assert sum("transaction_left_open" in one for one in worker.lines) == 1
