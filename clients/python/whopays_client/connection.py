"""Where an installation of whopays is, and consumers that read its topics from the places they are told."""

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
    """Where an installation is reached.

    `bootstrap_servers` as aiokafka takes them (`host:port`, separated by commas); `topic_prefix` as whopays is
    configured; `kafka` further arguments of aiokafka's clients, such as `security_protocol`, `ssl_context`,
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
        # Asks for all topics, because on many brokers asking for one by its name creates it.
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
    """Have a started consumer that reads committed records, belongs to no group, and is assigned nothing yet.

    Where a position no longer exists, it goes on with the oldest record. Raises KafkaError.
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
    """Stop a consumer; once more does no harm."""
    try:
        await consumer.stop()
    except asyncio.CancelledError:
        # aiokafka lets out the cancellation of its own fetch, where that waits to be tried again, and leaves the rest
        # open.
        await consumer._client.close()
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise


async def poll(
    consumer: AIOKafkaConsumer, timeout_ms: int, max_records: int | None = None
) -> dict[TopicPartition, list[ConsumerRecord]]:
    """Return records as they come, none after some time; what passes by itself is waited out.

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
