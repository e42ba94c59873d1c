"""What `whopays status` finds out of Kafka: whether the topics are as they must be, and how far each role has read."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError
from sqlalchemy.ext.asyncio import AsyncEngine

from cli.operating.standing import Section, Standing, Verdict
from cli.terminal.output import count_of
from db.known_topics import known
from db.reading_positions import reading_positions
from schemas.topics import INPUT_TOPICS, Topic
from workers.consuming.subscription import consumer_group
from workers.runtime.kafka import kafka_options
from workers.runtime.roles import Role
from workers.runtime.settings import Settings
from workers.topics.admission import as_known, changed
from workers.topics.cluster import Cluster, administration, describe, partitions_of
from workers.topics.plan import differences, topic_names

_LONGEST_LAG_SECONDS = 30.0
_READ_MS = 2000
_EMPTY = ("Empty", "Dead")
_COORDINATOR_SECONDS, _AGAIN_SECONDS = 10.0, 0.25


async def of_kafka(engine: AsyncEngine | None, settings: Settings) -> list[Standing]:
    """Return how it stands with topics and consumers; without the database, which knows how far they are, with topics.

    Raises what Kafka raises that is away.
    """
    async with administration(settings) as admin:
        cluster = await describe(admin, topic_names(settings))
        found = [await _topics(engine, cluster, settings)]
        if engine is None or found[0].verdict is Verdict.TROUBLE:
            return found
        return found + [await _consumer(engine, admin, topic, settings) for topic in INPUT_TOPICS]


async def _topics(engine: AsyncEngine | None, cluster: Cluster, settings: Settings) -> Standing:
    section = Section.REFUSES_TO_START
    wrong = differences(cluster, settings)
    if breaking := [one for one in wrong if one.breaks]:
        words = "; ".join(f"{one.topic}: {one.what} is {one.found}, not {one.wanted}" for one in breaking)
        return Standing(Verdict.TROUBLE, "topics", f"{words}.", "whopays topics check says what to do.", section)
    if engine is not None:
        async with engine.connect() as connection:
            before = await known(connection)
        if others := list(changed(before, as_known(cluster, settings))):
            words = f"They are not those of before: {'; '.join(others)}."
            return Standing(Verdict.TROUBLE, "topics", words, "Read this before anything.", Section.OTHER_TOPICS)
    if wrong:
        words = f"{count_of(len(wrong), 'setting')} not as whopays would choose."
        return Standing(Verdict.NOTE, "topics", words, "whopays topics check", section)
    return Standing(Verdict.WELL, "topics", "All are as they must be.", "", section)


async def _consumer(engine: AsyncEngine, admin: AIOKafkaAdminClient, topic: Topic, settings: Settings) -> Standing:
    role = Role(topic)
    section = Section.RECORDS_WAIT
    name = settings.topic(topic)
    partitions = await partitions_of(admin, [name])
    async with engine.connect() as connection:
        noted = await reading_positions(connection, name)
    left, seconds = await _left(settings, partitions, noted)
    words = f"{count_of(left, 'record')} to be read" + (f", the oldest {seconds:.0f} s old." if left else ".")
    if await _is_empty(admin, consumer_group(settings, role)):
        words = f"No process reads {name}. {words}"
        return Standing(Verdict.TROUBLE, str(role), words, f"Start one: whopays run --only {role}", section)
    is_late = seconds > _LONGEST_LAG_SECONDS
    to_do = "See whether it is busy or hangs: its log, and whopays health on its host." if is_late else ""
    return Standing(Verdict.TROUBLE if is_late else Verdict.WELL, str(role), words, to_do, section)


async def _left(
    settings: Settings, partitions: Sequence[TopicPartition], noted: Mapping[int, int]
) -> tuple[int, float]:
    """Return how many offsets are to be decided, and the age in seconds of the oldest record of them."""
    consumer = AIOKafkaConsumer(
        **kafka_options(settings), isolation_level="read_committed", enable_auto_commit=False, max_poll_records=1000
    )
    try:
        await consumer.start()
        beginnings, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
        positions = {one: max(noted.get(one.partition, 0), beginnings[one]) for one in partitions}
        behind = [one for one in partitions if positions[one] < ends[one]]
        if not behind:
            return 0, 0.0
        consumer.assign(behind)
        for one in behind:
            consumer.seek(one, positions[one])
        first = await _first_of_each(consumer, behind)
        left = 0
        for one in behind:
            # What remains of a transaction after its last record is nothing to be read.
            if one in first or await consumer.position(one) < ends[one]:
                left += ends[one] - positions[one]
        oldest = min(first.values(), default=None)
        return left, 0.0 if oldest is None else max(0.0, time.time() - oldest)
    finally:
        await consumer.stop()


async def _first_of_each(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]
) -> dict[TopicPartition, float]:
    """Return the timestamp of the next record of each partition that has one, in Unix time."""
    first: dict[TopicPartition, float] = {}
    deadline = time.monotonic() + _READ_MS / 1000
    while len(first) < len(partitions) and time.monotonic() < deadline:
        for partition, records in (await consumer.getmany(timeout_ms=_READ_MS // 4)).items():
            first.setdefault(partition, records[0].timestamp / 1000)
            consumer.pause(partition)
    return first


async def _patiently(admin: AIOKafkaAdminClient, group: str) -> list[Any]:
    """Describe a group. A cluster that never had one makes what it keeps them in when it is first asked."""
    deadline = time.monotonic() + _COORDINATOR_SECONDS
    while True:
        try:
            described: list[Any] = await admin.describe_consumer_groups([group])
        except GroupCoordinatorNotAvailableError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(_AGAIN_SECONDS)
        else:
            return described


async def _is_empty(admin: AIOKafkaAdminClient, group: str) -> bool:
    described: list[Any] = await _patiently(admin, group)
    return all(found[2] in _EMPTY for response in described for found in response.groups)
