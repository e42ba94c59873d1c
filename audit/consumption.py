"""Compares the reading positions of the input topics with the offsets that the consumer groups committed."""

from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata
from sqlalchemy.ext.asyncio import AsyncEngine

from audit.findings import Finding, Promise
from db.reading_positions import reading_positions
from schemas.topics import INPUT_TOPICS
from workers.consuming.subscription import consumer_group
from workers.runtime.roles import Role
from workers.runtime.settings import Settings
from workers.topics.cluster import administration


async def unread(settings: Settings, engine: AsyncEngine) -> list[Finding]:
    """Return the partitions whose group has committed an offset beyond the database's reading position."""
    acknowledged: dict[TopicPartition, OffsetAndMetadata] = {}
    async with administration(settings) as admin:
        for topic in INPUT_TOPICS:
            acknowledged |= await admin.list_consumer_group_offsets(consumer_group(settings, Role(topic)))
    findings = []
    # After the groups' offsets, because workers commit to the database before they commit offsets.
    async with engine.connect() as connection:
        noted = {topic: await reading_positions(connection, topic) for topic in {one.topic for one in acknowledged}}
    for partition, found in acknowledged.items():
        read = noted[partition.topic].get(partition.partition)
        if read is not None and found.offset > read:
            trouble = (
                f"its group has acknowledged everything before {found.offset}, but the database has read up to {read}: "
                "offsets were moved, or the database was restored to an earlier state; workers start where it is"
            )
            findings.append(Finding(Promise.POSITIONS, f"{partition.topic}/{partition.partition}", trouble))
    return findings
