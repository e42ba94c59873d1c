"""How far the input topics were read, compared with what the consumer groups have acknowledged."""

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
    """Return the partitions of which a group has acknowledged more than the database has read."""
    acknowledged: dict[TopicPartition, OffsetAndMetadata] = {}
    async with administration(settings) as admin:
        for topic in INPUT_TOPICS:
            acknowledged |= await admin.list_consumer_group_offsets(consumer_group(settings, Role(topic)))
    findings = []
    # Later than the groups, because workers commit to the database before they acknowledge.
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
