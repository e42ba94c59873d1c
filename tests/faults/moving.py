"""Moving offsets, records and topics around, as operators and retention do."""

import contextlib
from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.errors import KafkaError
from aiokafka.protocol.admin import DeleteGroupsRequest

from db.reading_positions import reading_positions
from schemas.topics import Topic
from tests.support.installations import Installation
from tests.support.waiting import until
from workers.consuming.subscription import consumer_group
from workers.runtime.roles import Role
from workers.topics.cluster import administration
from workers.topics.plan import create_topics

CONSUMERS = (Role.PROJECTS, Role.PAYMENT_PROFILES, Role.ADMIN_COMMANDS)


def partitions(installation: Installation, role: Role) -> list[TopicPartition]:
    """Return the partitions of the topic that a role consumes."""
    topic = f"{installation.prefix}{role}"
    return [TopicPartition(topic, number) for number in range(installation.settings.topic_partitions)]


async def move_groups(installation: Installation, offsets: Mapping[Role, Mapping[TopicPartition, int]]) -> None:
    """Move the offsets of groups without members, as an operator does."""
    for role, moved in offsets.items():
        consumer = AIOKafkaConsumer(
            bootstrap_servers=installation.kafka_bootstrap_servers,
            group_id=consumer_group(installation.settings, role),
            enable_auto_commit=False,
        )
        try:
            await consumer.start()
            consumer.assign(list(moved))
            await consumer.commit(dict(moved))
        finally:
            await consumer.stop()


async def ends(installation: Installation, role: Role) -> dict[TopicPartition, int]:
    """Return the end offsets of those partitions."""
    consumer = AIOKafkaConsumer(bootstrap_servers=installation.kafka_bootstrap_servers)
    try:
        await consumer.start()
        found: dict[TopicPartition, int] = await consumer.end_offsets(partitions(installation, role))
        return found
    finally:
        await consumer.stop()


async def delete_records(installation: Installation, role: Role) -> None:
    """Delete all that the topic of a role holds."""
    found = await ends(installation, role)
    admin = await _administer(installation)
    try:
        await admin.delete_records({one: RecordsToDelete(end) for one, end in found.items() if end})
    finally:
        await admin.close()


async def lose_records(installation: Installation, topic: Topic) -> None:
    """Delete all records of a compacted topic of one partition, as a wrong cleanup policy does."""
    name = installation.settings.topic(topic)
    resource = ConfigResource(ConfigResourceType.TOPIC, name, {"cleanup.policy": "delete"})
    async with administration(installation.settings) as admin:
        await admin.alter_configs([resource])

        async def deleted() -> bool:
            try:
                await admin.delete_records({TopicPartition(name, 0): RecordsToDelete(before_offset=-1)})
            except KafkaError:
                return False  # the broker has not applied the policy yet
            return True

        await until(deleted, "the deletion of the records")
        resource.configs = {"cleanup.policy": "compact"}
        await admin.alter_configs([resource])


async def recreate(installation: Installation, *topics: Topic) -> None:
    """Delete topics and re-create them."""
    left = {installation.settings.topic(topic) for topic in topics}
    admin = await _administer(installation)
    try:
        await admin.delete_topics(list(left))
    finally:
        await admin.close()

    async def made() -> bool:
        with contextlib.suppress(KafkaError):  # one is still being deleted
            left.difference_update(await create_topics(installation.settings))
        return not left

    await until(made, "the re-created topics")


async def noted(installation: Installation, role: Role) -> dict[int, int]:
    """Return how far the topic of a role was read, according to the database."""
    async with installation.engine.connect() as connection:
        return await reading_positions(connection, f"{installation.prefix}{role}")


async def delete_groups(installation: Installation) -> None:
    """Delete the groups, which must have no members."""
    admin = await _administer(installation)
    try:
        for group in (consumer_group(installation.settings, role) for role in CONSUMERS):
            answer = await admin._send_request(DeleteGroupsRequest([group]), await admin.find_coordinator(group))
            assert [error for _, error in answer.results] == [0]
    finally:
        await admin.close()


async def until_read(installation: Installation) -> None:
    """Wait until everything was read according to the database, whatever the groups have acknowledged."""

    async def done() -> bool:
        for role in CONSUMERS:
            known = await noted(installation, role)
            found = await ends(installation, role)
            if any(known.get(partition.partition, 0) < end for partition, end in found.items()):
                return False
        return True

    await until(done, "the reading positions")


async def _administer(installation: Installation) -> AIOKafkaAdminClient:
    admin = AIOKafkaAdminClient(bootstrap_servers=installation.kafka_bootstrap_servers)
    await admin.start()
    return admin
