"""The topic that a replay writes to, as brokers tell of it."""

from uuid import uuid4

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import InvalidReplicationFactorError, UnknownTopicOrPartitionError

from db.log import largest_event_bytes
from embedded import Addresses
from tests.support.waiting import until
from workers.publishing.positions import is_retryable
from workers.replaying.refusal import ReplayFailed, ReplayRefused
from workers.replaying.target import (
    _found,
    create_target,
    find_target,
    insist_on_agreement,
    last_ids,
    refuse_unfit,
    remove_target,
)
from workers.runtime.settings import Settings
from workers.topics.cluster import TopicMissing, administration, describe


async def test_a_topic_that_a_broker_does_not_tell_of_yet_is_asked_for_again(services: Addresses) -> None:
    settings = Settings(kafka_bootstrap_servers=services.kafka_bootstrap_servers)
    name = f"target-{uuid4().hex}"
    made = await create_target(settings, name, 3, ("bindings",))
    assert made.partitions == 3
    async with administration(settings) as client:
        assert await _found(client, name) == made
        await remove_target(settings, name)

        async def is_gone() -> bool:
            return not (await describe(client, [name])).topics

        await until(is_gone, "the end of the topic")
        with pytest.raises(UnknownTopicOrPartitionError, match="does not report") as caught:
            await _found(client, name)
    assert is_retryable(caught.value)


async def test_what_a_topic_shows_is_its_last_committed_record(services: Addresses) -> None:
    """However much was aborted after it; and a topic that shows anything is no target."""
    name, topics = f"target-{uuid4().hex}", ("bindings", "dead-letters")
    settings = Settings(kafka_bootstrap_servers=services.kafka_bootstrap_servers, topic_prefix=f"{name}.")
    made = await create_target(settings, name, 3, topics)
    assert await create_target(settings, name, 3, topics) == made
    assert made.settings["max.message.bytes"] == str(max(map(largest_event_bytes, topics)))
    await refuse_unfit(settings, name, made, 3, topics)
    shown: dict[int, str | None] = {0: "?", 1: None, 2: "0-7"}

    async def is_shown() -> bool:
        return await last_ids(settings, name, 3) == shown

    async with AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers, transactional_id=name) as producer:
        async with producer.transaction():
            await producer.send(name, b"no event", partition=0)
            await producer.send(name, orjson.dumps({"id": "0-7"}), partition=2)
        await until(is_shown, "what was committed")
        with pytest.raises(ReplayRefused, match="is not empty"):
            await refuse_unfit(settings, name, made, None, topics)
        await insist_on_agreement(settings, name, shown)
        await producer.begin_transaction()
        for _ in range(200):
            await producer.send(name, b"aborted", partition=2)
        await producer.flush()
        await producer.abort_transaction()
    assert await is_shown()
    positions = f"{name}.replay-positions"
    wrong: tuple[tuple[dict[int, str | None], str], ...] = (
        ({0: None}, f"{name} has ? as the last record of partition 0, but {positions} says none: "),
        ({0: "?", 1: "0-8"}, f"{name} has nothing as the last record of partition 1, but {positions} says 0-8: "),
    )
    for told_of, said in wrong:
        with pytest.raises(ReplayFailed) as failed:
            await insist_on_agreement(settings, name, told_of)
        assert str(failed.value).startswith(said)
    with pytest.raises(TopicMissing, match=f"no topic {positions}"):
        await find_target(settings, name)
    await remove_target(settings, name)


async def test_a_topic_that_is_not_created_is_told_of(services: Addresses) -> None:
    settings = Settings(kafka_bootstrap_servers=services.kafka_bootstrap_servers, topic_replication_factor=7)
    name = f"target-{uuid4().hex}"
    with pytest.raises(InvalidReplicationFactorError, match=f"Topic {name} was not created"):
        await create_target(settings, name, 1, ("bindings",))
    await remove_target(settings, name)
