"""Sending and reading records of an installation's topics, and checking that exactly the log is published."""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import RecordMetadata
from sqlalchemy import text

from audit.claims import Command, digest_of
from schemas.outgoing import headers_of
from schemas.topics import OUTPUT_TOPICS, Topic
from tests.support.contract_files import check_published
from tests.support.installations import Installation
from tests.support.messages import Said, command
from tests.support.waiting import until
from workers.consuming.subscription import consumer_group
from workers.runtime.roles import Role
from workers.topics.cluster import administration, describe

_LARGEST_REQUEST_BYTES = 16 * 1024 * 1024
_CONSUMED_SECONDS = 120
_TOPIC_OF_ROLE = {
    Role.PROJECTS: Topic.PROJECTS,
    Role.PAYMENT_PROFILES: Topic.PAYMENT_PROFILES,
    Role.ADMIN_COMMANDS: Topic.ADMIN_COMMANDS,
}


@dataclass(frozen=True)
class Published:
    """A record of an output topic; `topic` is without prefix."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]

    @property
    def event(self) -> dict[str, Any]:
        """The CloudEvent."""
        event: dict[str, Any] = orjson.loads(self.value)
        return event

    @property
    def data(self) -> dict[str, Any]:
        """The event's data."""
        data: dict[str, Any] = self.event["data"]
        return data


async def send(installation: Installation, said: Iterable[Said], **options: Any) -> list[RecordMetadata]:
    """Send records in order, each once, and return where they were written; options are the producer's."""
    producer = AIOKafkaProducer(
        bootstrap_servers=installation.kafka_bootstrap_servers,
        enable_idempotence=True,
        max_request_size=_LARGEST_REQUEST_BYTES,
        **options,
    )
    try:
        await producer.start()
        deliveries = [
            await producer.send(
                f"{installation.prefix}{one.topic}", key=one.key, value=one.value, headers=list(one.headers)
            )
            for one in said
        ]
        return [await delivery for delivery in deliveries]
    finally:
        await producer.stop()


async def published(installation: Installation, *topics: Topic, are_events: bool = True) -> list[Published]:
    """Read output topics (all if none is named) to their end: committed records only, in order by partition.

    Asserts that events are as their schemas say.
    """
    async with _reader(installation, topics or OUTPUT_TOPICS) as (consumer, partitions):
        ends = await consumer.end_offsets(partitions)
        found = []
        while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
            for partition, records in (await consumer.getmany(timeout_ms=200)).items():
                topic = partition.topic.removeprefix(installation.prefix)
                for record in records if are_events else ():
                    check_published(record.value)
                found += [
                    Published(topic, partition.partition, record.key, record.value, tuple(record.headers))
                    for record in records
                ]
    return found


async def all_consumed(installation: Installation, *roles: Role) -> None:
    """Wait until the consumer groups have acknowledged all that their topics hold."""

    async def done() -> bool:
        async with _reader(installation, [_TOPIC_OF_ROLE[role] for role in roles or _TOPIC_OF_ROLE]) as (reader, parts):
            ends = await reader.end_offsets(parts)
        acknowledged: dict[TopicPartition, int] = {}
        for role in roles or _TOPIC_OF_ROLE:
            acknowledged |= await acknowledged_offsets(installation, role)
        return all(acknowledged.get(partition, 0) >= end for partition, end in ends.items())

    await until(done, "the consumers", _CONSUMED_SECONDS)


async def acknowledged_offsets(installation: Installation, role: Role) -> dict[TopicPartition, int]:
    """Return the offsets that a role's consumer group has committed."""
    admin = AIOKafkaAdminClient(bootstrap_servers=installation.kafka_bootstrap_servers)
    try:
        await admin.start()
        offsets = await admin.list_consumer_group_offsets(consumer_group(installation.settings, role))
    finally:
        await admin.close()
    return {partition: found.offset for partition, found in offsets.items()}


async def rewind(installation: Installation, role: Role) -> None:
    """Reset the offsets of a role's group, which must have no members, to the beginning."""
    topic = f"{installation.prefix}{_TOPIC_OF_ROLE[role]}"
    consumer = AIOKafkaConsumer(
        bootstrap_servers=installation.kafka_bootstrap_servers,
        group_id=consumer_group(installation.settings, role),
        enable_auto_commit=False,
    )
    try:
        await consumer.start()
        partitions = [TopicPartition(topic, number) for number in range(installation.settings.topic_partitions)]
        consumer.assign(partitions)
        await consumer.commit(dict.fromkeys(partitions, 0))
    finally:
        await consumer.stop()


async def delete_topic(installation: Installation, topic: Topic) -> None:
    """Delete a topic, and wait until the broker no longer knows it."""
    name = installation.settings.topic(topic)
    async with administration(installation.settings) as admin:
        await admin.delete_topics([name])

        async def is_gone() -> bool:
            return name not in (await describe(admin, [name])).topics

        await until(is_gone, "the deletion")


async def exactly_published(installation: Installation) -> list[Published]:
    """Wait until all that was sent is decided and published, and return what was published.

    Asserts that the topics hold exactly the log: each event once, under its own id, in the log's order for each record
    key; and that every claimed command has exactly one result.
    """
    # Anything published twice is published before the answer to a command that is sent last.
    marker = f"marker-{uuid4().hex}"
    marking = command("SuspendAccount", marker, "marker", account="none", reason="Administrative", dryRun=True)
    await send(installation, [marking])
    await all_consumed(installation)

    async def marked() -> list[Published] | None:
        found = await published(installation)
        return found if any(one.data.get("commandId") == marker for one in found) else None

    await until(marked, "the answer to the last command")
    async with installation.engine.connect() as connection:
        logged = (
            await connection.execute(
                text("SELECT shard, position, topic, key, value FROM log ORDER BY shard, position")
            )
        ).all()
        claimed = (await connection.execute(_CLAIMED)).scalars().all()

    async def complete() -> list[Published] | None:
        found = await published(installation)
        return found if len(found) >= len(logged) else None

    found = await until(complete, "the log on the topics")
    assert Counter((one.topic, one.key, one.value) for one in found) == Counter(
        (row.topic, row.key, row.value) for row in logged
    )
    assert [list(one.headers) for one in found] == [headers_of(one.value) for one in found]
    assert _in_order((one.topic, one.key, one.event["id"]) for one in found) == _in_order(
        (row.topic, row.key, f"{row.shard}-{row.position}") for row in logged
    )
    claiming = _claiming_results(found)
    assert Counter({digest_of(command): number for command, number in claiming.items()}) == Counter(claimed)
    return found


def told_unpaid(found: Sequence[Published]) -> set[str]:
    """Return the projects that have no payer according to a notice."""
    return {one.data["project"] for one in found if one.topic == Topic.NOTICES and one.data["account"] is None}


def results(found: Sequence[Published]) -> dict[str, dict[str, Any]]:
    """Return the results among published records by command id; the last one where there are several."""
    return {one.data["commandId"]: one.data for one in found if one.topic == Topic.COMMAND_RESULTS}


def dead_letters(found: Sequence[Published]) -> list[dict[str, Any]]:
    """Return the dead letters among published records."""
    return [one.data for one in found if one.topic == Topic.DEAD_LETTERS]


def _in_order(events: Iterable[tuple[str, bytes | None, str]]) -> dict[tuple[str, bytes, str], list[str]]:
    # Dead letters with the same key may belong to several shards, which have no order among them: that of the record's
    # organization, if it could be read, or that of its partition.
    ids = defaultdict(list)
    for topic, key, event_id in events:
        if key is not None:
            ids[topic, key, event_id.partition("-")[0]].append(event_id)
    return dict(ids)


def _claiming_results(found: Sequence[Published]) -> Counter[Command]:
    """Count results by command: final ones, or the interim one while it waits, without those that claim no id."""
    claiming_none = {"Unauthenticated", "Forbidden", "CommandIdReused"}
    results = [
        ((one.data["organization"], one.data["commandSource"], one.data["commandId"]), one.data["outcome"])
        for one in found
        if one.topic == Topic.COMMAND_RESULTS
        and not one.data["dryRun"]
        and not one.data.get("repeated")
        and not claiming_none & {violation["reason"] for violation in one.data["violations"]}
    ]
    final = Counter(command for command, outcome in results if outcome not in ("Scheduled", "Waiting"))
    return final + Counter({command for command, _ in results} - final.keys())


@asynccontextmanager
async def _reader(
    installation: Installation, topics: Sequence[Topic]
) -> AsyncIterator[tuple[AIOKafkaConsumer, list[TopicPartition]]]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=installation.kafka_bootstrap_servers,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=100,
        max_partition_fetch_bytes=_LARGEST_REQUEST_BYTES,
    )
    try:
        await consumer.start()
        partitions = [
            TopicPartition(f"{installation.prefix}{topic}", number)
            for topic in topics
            for number in range(installation.settings.topic_partitions)
        ]
        consumer.assign(partitions)
        yield consumer, partitions
    finally:
        await consumer.stop()


_CLAIMED = text(
    """
    SELECT command_digest(organization, source, command_id) FROM inbox
    UNION ALL SELECT digest FROM forgotten_commands
    """
)
