"""Everything an installation stores, before and after: what changed in its tables, and which partitions grew."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from sqlalchemy import text

from db.tables import metadata
from schemas.topics import TOPIC_PLANS
from tests.support.installations import Installation

ADDED, REMOVED = frozenset({"row added"}), frozenset({"row removed"})

Key = tuple[Any, ...]
Change = tuple[str, Key]


@dataclass(frozen=True)
class Snapshot:
    """The rows of all tables, by table and primary key, and the end offset of every partition, without prefix."""

    rows: Mapping[Change, Mapping[str, Any]]
    ends: Mapping[tuple[str, int], int]

    def changes_until(self, later: "Snapshot") -> dict[Change, frozenset[str]]:
        """Return the columns that differ, by table and primary key; `ADDED` or `REMOVED` for a whole row."""
        changes = dict.fromkeys(later.rows.keys() - self.rows.keys(), ADDED)
        changes |= dict.fromkeys(self.rows.keys() - later.rows.keys(), REMOVED)
        for key in self.rows.keys() & later.rows.keys():
            if differing := {column for column, value in self.rows[key].items() if later.rows[key][column] != value}:
                changes[key] = frozenset(differing)
        return changes

    def growth_until(self, later: "Snapshot") -> set[str]:
        """Return the topics whose partitions do not all end where they did."""
        return {topic for topic, partition in self.ends if later.ends[topic, partition] != self.ends[topic, partition]}


async def snapshot_of(installation: Installation) -> Snapshot:
    """Return everything an installation stores now."""
    return Snapshot(await _rows(installation), await _ends(installation))


async def _rows(installation: Installation) -> dict[Change, Mapping[str, Any]]:
    rows: dict[Change, Mapping[str, Any]] = {}
    async with installation.engine.connect() as connection:
        listed = await connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
        for name in listed.scalars().all():
            table = metadata.tables.get(name)
            found = await connection.execute(text(f'SELECT * FROM "{name}"'))  # noqa: S608 (a name from the catalogue)
            for row in found.mappings():
                # A table that is not ours (Alembic's), and a part of one, is compared by whole rows.
                key = (
                    [str(value) for value in row.values()]
                    if table is None
                    else [row[column.name] for column in table.primary_key]
                )
                rows[name, tuple(key)] = dict(row)
    return rows


async def _ends(installation: Installation) -> dict[tuple[str, int], int]:
    consumer = AIOKafkaConsumer(bootstrap_servers=installation.kafka_bootstrap_servers, enable_auto_commit=False)
    partitions = [
        TopicPartition(installation.settings.topic(plan.topic), number)
        for plan in TOPIC_PLANS
        for number in range(1 if plan.single_partition else installation.settings.topic_partitions)
    ]
    try:
        await consumer.start()
        ends = await consumer.end_offsets(partitions)
    finally:
        await consumer.stop()
    return {(one.topic.removeprefix(installation.prefix), one.partition): end for one, end in ends.items()}
