"""The installation's topics, as they were when a process first used them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class KnownTopic:
    """A topic: `topic` without prefix, `name` with it. Not every broker reports ids for its cluster and topics."""

    topic: str
    name: str
    cluster: str | None
    topic_id: UUID | None
    partitions: int


async def first_known(connection: AsyncConnection, topics: Iterable[KnownTopic]) -> dict[str, KnownTopic]:
    """Record the topics that are not known yet, and return all known topics."""
    await connection.execute(_NOTE_NEW, [_values(topic) for topic in topics])
    return await known(connection)


async def known(connection: AsyncConnection) -> dict[str, KnownTopic]:
    """Return the known topics by name without prefix."""
    return {row.topic: KnownTopic(*row) for row in await connection.execute(_KNOWN)}


async def replace_known_topics(connection: AsyncConnection, topics: Iterable[KnownTopic]) -> None:
    """Replace the known topics with their current state."""
    await connection.execute(_NOTE, [_values(topic) for topic in topics])


def _values(known: KnownTopic) -> Mapping[str, object]:
    return {
        "topic": known.topic,
        "name": known.name,
        "cluster": known.cluster,
        "topic_id": known.topic_id,
        "partitions": known.partitions,
    }


_KNOWN = text("SELECT topic, name, cluster, topic_id, partitions FROM known_topics")
_INSERT = """
    INSERT INTO known_topics (topic, name, cluster, topic_id, partitions)
    VALUES (:topic, :name, :cluster, :topic_id, :partitions)
"""
_NOTE_NEW = text(f"{_INSERT} ON CONFLICT (topic) DO NOTHING")
_NOTE = text(
    f"""{_INSERT} ON CONFLICT (topic) DO UPDATE SET name = excluded.name, cluster = excluded.cluster,
        topic_id = excluded.topic_id, partitions = excluded.partitions, noted_at = clock_timestamp()"""
)
