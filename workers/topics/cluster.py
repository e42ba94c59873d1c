"""What a Kafka cluster reports about itself and its topics: ids, partitions, replicas and settings."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import UnknownTopicOrPartitionError, for_code

from workers.runtime.kafka import kafka_options
from workers.runtime.settings import Settings
from workers.topics.metadata import Metadata


class TopicMissing(Exception):
    """A required topic does not exist; the message names it, and says what to do."""


@dataclass(frozen=True, slots=True)
class FoundTopic:
    """A topic as the brokers describe it; `topic_id` is None if they do not report ids."""

    topic_id: UUID | None
    partitions: int
    replicas: int
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Kafka cluster, with the requested topics that exist, by name."""

    cluster_id: str | None
    topics: Mapping[str, FoundTopic]


@asynccontextmanager
async def administration(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """Yield an admin client of the configured brokers. Raises KafkaConnectionError when none answers."""
    client = AIOKafkaAdminClient(**kafka_options(settings))
    try:
        await client.start()
        yield client
    finally:
        await client.close()


async def partitions_of(client: AIOKafkaAdminClient, names: Sequence[str]) -> list[TopicPartition]:
    """Return every partition of the topics. Raises TopicMissing, KafkaError."""
    described = await client.describe_topics(list(names))
    missing = [topic["topic"] for topic in described if topic["error_code"]]
    if missing:
        raise TopicMissing(
            f"Kafka has no topic {missing[0]}.\nIf WHOPAYS_TOPIC_PREFIX is right, run: whopays topics create"
        )
    return [TopicPartition(topic["topic"], item["partition"]) for topic in described for item in topic["partitions"]]


async def describe(client: AIOKafkaAdminClient, names: Sequence[str]) -> Cluster:
    """Describe topics by name. Raises KafkaError."""
    metadata = (await client._send_request(Metadata(names))).to_object()
    described = {}
    for topic in metadata["topics"]:
        if topic["error_code"] == UnknownTopicOrPartitionError.errno:
            continue
        if topic["error_code"]:
            raise for_code(topic["error_code"])(f"Topic {topic['topic']} cannot be described")
        described[topic["topic"]] = topic
    configured = await _configured(client, list(described))
    topics = {
        name: FoundTopic(
            topic_id=topic.get("topic_id"),
            partitions=len(topic["partitions"]),
            replicas=min((len(partition["replicas"]) for partition in topic["partitions"]), default=0),
            settings=configured[name],
        )
        for name, topic in described.items()
        if name in configured
    }
    return Cluster(metadata["cluster_id"], topics)


async def _configured(client: AIOKafkaAdminClient, names: list[str]) -> dict[str, Mapping[str, str]]:
    """Return the settings of topics by name, omitting topics that were deleted since they were described."""
    if not names:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    configured: dict[str, Mapping[str, str]] = {}
    for response in await client.describe_configs(resources):
        for resource in response.to_object()["resources"]:
            if resource["error_code"] == UnknownTopicOrPartitionError.errno:
                continue
            if resource["error_code"]:
                raise for_code(resource["error_code"])(resource["error_message"])
            entries = resource["config_entries"]
            configured[resource["resource_name"]] = {entry["config_names"]: entry["config_value"] for entry in entries}
    return configured
