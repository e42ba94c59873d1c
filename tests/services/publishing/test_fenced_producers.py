"""A producer that another one fenced: whatever aiokafka calls it, work begins again with a new producer."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka.errors import KafkaError

from schemas.topics import OUTPUT_TOPICS, Topic
from tests.support.installations import Installation
from workers.publishing.positions import is_retryable
from workers.publishing.producer import Place, TransactionalProducer, producing, transact

_SECONDS = 30.0


@pytest.mark.parametrize(
    ("topics", "is_heard"),
    (
        pytest.param([Topic.NOTICES], True, id="told by the broker's answer"),
        # Here aiokafka has futures of its own, by which batches wait for one another, and does not look at each.
        pytest.param([Topic.NOTICES] * 100, False, id="told while a batch waits for the one before"),
        # Each is looked up first; meanwhile aiokafka learns of it, and the next batch is "not in transaction".
        # Where the broker's answer takes its time, batches wait for one another here, too.
        pytest.param([Topic.NOTICES, *OUTPUT_TOPICS], False, id="told between two batches"),
    ),
)
async def test_a_fenced_producer_is_replaced(
    quiet_installation: Installation, topics: Sequence[Topic], is_heard: bool
) -> None:
    settings, name = quiet_installation.settings, f"{quiet_installation.prefix}fenced"
    places = [(settings.topic(topic), 0) for topic in topics]
    unheard: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))
    try:
        async with producing(settings, name) as zombie:
            await transact(zombie, _batches(zombie, places[:1]), _SECONDS)
            async with producing(settings, name) as successor:
                # The second time aiokafka knows.
                for _ in range(2):
                    with pytest.raises(KafkaError) as raised:
                        await transact(zombie, _batches(zombie, places), _SECONDS)
                    assert is_retryable(raised.value)
                await transact(successor, _batches(successor, places), _SECONDS)
    finally:
        asyncio.get_running_loop().set_exception_handler(None)
    assert not is_heard or unheard == []


def _batches(producer: TransactionalProducer, places: Sequence[Place]) -> list[tuple[Place, Any]]:
    batches = []
    for place in places:
        batch = producer.create_batch()
        batch.append(timestamp=None, key=b"key", value=b"value", headers=[])
        batches.append((place, batch))
    return batches
