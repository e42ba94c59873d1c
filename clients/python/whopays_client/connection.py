"""The connection to an installation of whopays, and consumers that read its topics from given offsets."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError
from aiokafka.structs import ConsumerRecord

from whopays_client.errors import NotAllowed, TopicMissing

logger = logging.getLogger("whopays_client")

_AFTER_A_FAILURE_SECONDS = 0.5
_LARGEST_FETCH_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class Connection:
    """How to reach an installation.

    `bootstrap_servers` are as in aiokafka (`host:port`, separated by commas); `topic_prefix` is as configured in
    whopays; `kafka` are further arguments of aiokafka's clients, such as `security_protocol`, `ssl_context`,
    `sasl_mechanism`.
    """

    bootstrap_servers: str
    topic_prefix: str = "billing."
    kafka: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def topic(self, name: str) -> str:
        """Return the full name of a topic: `bindings` is `billing.bindings`."""
        return f"{self.topic_prefix}{name}"


async def partitions_of(connection: Connection, *names: str) -> list[TopicPartition]:
    """Return the partitions of topics (names without prefix), in order. Raises TopicMissing, KafkaError."""
    admin = AIOKafkaAdminClient(bootstrap_servers=connection.bootstrap_servers, **connection.kafka)
    try:
        await admin.start()
        # Asks for all topics, because on many brokers describing a missing topic by name creates it.
        described = {topic["topic"]: topic["partitions"] for topic in await admin.describe_topics()}
    finally:
        await admin.close()
    found = []
    for topic in map(connection.topic, names):
        if not described.get(topic):
            raise TopicMissing(topic)
        found += [TopicPartition(topic, number) for number in sorted(one["partition"] for one in described[topic])]
    return found


@asynccontextmanager
async def consuming(connection: Connection) -> AsyncIterator[AIOKafkaConsumer]:
    """Yield a started consumer that reads committed records, belongs to no group, and has no assignment yet.

    If a position no longer exists, it continues at the oldest record. Raises KafkaError.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=connection.bootstrap_servers,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=_LARGEST_FETCH_BYTES,
        **connection.kafka,
    )
    try:
        await consumer.start()
        yield consumer
    finally:
        await stop(consumer)


async def stop(consumer: AIOKafkaConsumer) -> None:
    """Stop a consumer; stopping it again is harmless."""
    try:
        await consumer.stop()
    except asyncio.CancelledError:
        # If a fetch is waiting to be retried, aiokafka raises that task's cancellation and leaves the client open.
        await consumer._client.close()
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise


async def poll(
    consumer: AIOKafkaConsumer, timeout_ms: int, max_records: int | None = None
) -> dict[TopicPartition, list[ConsumerRecord]]:
    """Return records as they arrive, or none after `timeout_ms`; wait after retryable errors.

    Raises NotAllowed, KafkaError.
    """
    try:
        found: dict[TopicPartition, list[ConsumerRecord]] = await consumer.getmany(
            timeout_ms=timeout_ms, max_records=max_records
        )
    except TopicAuthorizationFailedError as error:
        topics = sorted({partition.topic for partition in consumer.assignment()})
        raise NotAllowed(" or ".join(topics), "read") from error
    except KafkaError as error:
        if not error.retriable:
            raise
        logger.warning("reading failed, trying again: %s", type(error).__name__)
        await asyncio.sleep(_AFTER_A_FAILURE_SECONDS)
        return {}
    return found
