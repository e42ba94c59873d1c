"""The topic that a replay writes to, as brokers tell of it."""

from uuid import uuid4

import pytest
from aiokafka.errors import UnknownTopicOrPartitionError

from embedded import Addresses
from tests.support.waiting import until
from workers.publishing.positions import is_retryable
from workers.replaying.target import _found, create_target, remove_target
from workers.runtime.settings import Settings
from workers.topics.cluster import administration, describe


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
        with pytest.raises(UnknownTopicOrPartitionError, match="does not tell of") as caught:
            await _found(client, name)
    assert is_retryable(caught.value)
