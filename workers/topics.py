"""Creating the topics, and comparing those that exist with what whopays needs (docs/contract.md section 1)."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, UnknownTopicOrPartitionError, for_code

from schemas.topics import TOPIC_PLANS, TopicPlan
from workers.settings import Settings


@dataclass(frozen=True, slots=True)
class Difference:
    """What is not as it should be with one topic (its name has the prefix), and what to do about it."""

    topic: str
    what: str
    found: str
    wanted: str
    remedy: str


@asynccontextmanager
async def administration(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """Give an admin client of the configured brokers. Raises KafkaConnectionError when none answers."""
    client = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)
    try:
        await client.start()
        yield client
    finally:
        await client.close()


async def create_topics(settings: Settings) -> list[str]:
    """Create the topics that are missing, with their settings, and give their names; others are left as they are.

    Raises KafkaError when the broker refuses.
    """
    async with administration(settings) as client:
        existing = await _partition_counts(client, settings)
        missing = [plan for plan in TOPIC_PLANS if settings.topic(plan.topic) not in existing]
        return await _create(client, missing, settings) if missing else []


async def check_topics(settings: Settings) -> list[Difference]:
    """Compare partitions and settings of all topics with what `create_topics` would make."""
    async with administration(settings) as client:
        partitions = await _partition_counts(client, settings)
        configured = await _configured(client, list(partitions))
    differences = []
    for plan in TOPIC_PLANS:
        name = settings.topic(plan.topic)
        if name not in partitions:
            differences.append(Difference(name, "topic", "missing", "present", "run: whopays topics create"))
            continue
        wanted = _partitions(plan, settings)
        if partitions[name] != wanted:
            remedy = _remedy(plan, partitions[name], wanted)
            differences.append(Difference(name, "partitions", str(partitions[name]), str(wanted), remedy))
        for setting, value in plan.settings.items():
            found = configured[name].get(setting, "unknown")
            if found != value:
                remedy = (
                    f"run: kafka-configs.sh --bootstrap-server {settings.kafka_bootstrap_servers} --alter "
                    f"--entity-type topics --entity-name {name} --add-config {setting}={value}"
                )
                differences.append(Difference(name, setting, found, value, remedy))
    return differences


def _partitions(plan: TopicPlan, settings: Settings) -> int:
    return 1 if plan.single_partition else settings.topic_partitions


def _remedy(plan: TopicPlan, found: int, wanted: int) -> str:
    if plan.single_partition:
        return "stop the relay and create the topic anew: whopays reads it whole, from one partition"
    if found > wanted:
        return f"set WHOPAYS_TOPIC_PARTITIONS={found}: partitions are never taken away"
    return f"set WHOPAYS_TOPIC_PARTITIONS={found}, or stop all producers and workers and add partitions"


async def _partition_counts(client: AIOKafkaAdminClient, settings: Settings) -> dict[str, int]:
    described = await client.describe_topics([settings.topic(plan.topic) for plan in TOPIC_PLANS])
    counts = {}
    for topic in described:
        if topic["error_code"] == UnknownTopicOrPartitionError.errno:
            continue
        if topic["error_code"]:
            raise for_code(topic["error_code"])(f"Topic {topic['topic']} cannot be described")
        counts[topic["topic"]] = len(topic["partitions"])
    return counts


async def _configured(client: AIOKafkaAdminClient, names: list[str]) -> dict[str, Mapping[str, str]]:
    if not names:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    configured: dict[str, Mapping[str, str]] = {}
    for response in await client.describe_configs(resources):
        for resource in response.to_object()["resources"]:
            if resource["error_code"]:
                raise for_code(resource["error_code"])(resource["error_message"])
            entries = resource["config_entries"]
            configured[resource["resource_name"]] = {entry["config_names"]: entry["config_value"] for entry in entries}
    return configured


async def _create(client: AIOKafkaAdminClient, plans: list[TopicPlan], settings: Settings) -> list[str]:
    replicas = settings.topic_replication_factor
    wanted = [
        NewTopic(
            name=settings.topic(plan.topic),
            num_partitions=_partitions(plan, settings),
            replication_factor=replicas,
            # The client lets -1 (the broker's own default) pass only beside an explicit, empty assignment.
            replica_assignments={} if replicas == -1 else None,
            topic_configs=plan.settings,
        )
        for plan in plans
    ]
    created = []
    for answer in (await client.create_topics(wanted)).to_object()["topic_errors"]:
        code = answer["error_code"]
        # Another `whopays topics create` may have been quicker.
        if code == TopicAlreadyExistsError.errno:
            continue
        if code:
            raise for_code(code)(f"Topic {answer['topic']} was not created: {answer['error_message']}")
        created.append(answer["topic"])
    return created
