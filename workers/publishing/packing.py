"""Packs rows of the log into finished Kafka batches, before the transaction that publishes them begins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from aiokafka import AIOKafkaProducer

from db.log import LogRow, row_hash
from db.placing import place_of
from schemas.outgoing import headers_of
from schemas.topics import Topic
from workers.publishing.positions import BEGINNING, Position, render_position
from workers.publishing.producer import Place
from workers.runtime.settings import Settings
from workers.runtime.traces import is_sampled


class LogDamaged(Exception):
    """The log does not match what was published: it went back, has a hole, or a row was altered."""


@dataclass(frozen=True, slots=True)
class Traced:
    """An event whose trace is recorded: the context from its command or fact, its id, and its destination."""

    trace_parent: str
    event_id: str
    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Publication:
    """Batches with their topics and partitions, in the order in which they must be sent.

    They contain `rows` rows, and the position `reached` in each shard; at least `left` rows remain after them. `traced`
    are the events among them whose traces are recorded.
    """

    batches: Sequence[tuple[Place, Any]]
    reached: Mapping[int, Position]
    rows: int
    left: int
    traced: Sequence[Traced] = ()


async def prepare(
    producer: AIOKafkaProducer, settings: Settings, rows: Sequence[LogRow], reached: Mapping[int, Position], left: int
) -> Publication:
    """Render rows, and the positions that they reach, as the records of one transaction."""
    partitions = {topic: await _partitions(producer, settings, topic) for topic in {row.topic for row in rows}}
    writer = BatchWriter(producer)
    traced: list[Traced] = []
    is_tracing = settings.traces != "off"
    for row in rows:
        name, number = partitions[row.topic]
        partition = partition_of(row.key, row.position, number)
        headers = headers_of(row.value)
        writer.add((name, partition), row.key, row.value, headers)
        if is_tracing and len(headers) > 1 and is_sampled(trace_parent := headers[1][1].decode()):
            traced.append(Traced(trace_parent, f"{row.shard}-{row.position}", name, partition))
    cursor = (settings.topic(Topic.RELAY_POSITIONS), 0)
    for shard, position in reached.items():
        writer.add(cursor, *render_position(shard, position), [])
    return Publication(writer.batches, reached, len(rows), left, traced)


def partition_of(key: bytes | None, position: int, partitions: int) -> int:
    """Return the partition of an event, out of `partitions`: the one that Kafka's partitioner assigns to its key."""
    # Without a key there is no order to preserve: any partition will do.
    return position % partitions if key is None else _hash(key) % partitions


def reached_by(rows: list[LogRow], positions: dict[int, Position]) -> dict[int, Position]:
    """Return the positions after these rows. Raises LogDamaged unless they continue what is published without a gap."""
    reached: dict[int, Position] = {}
    for row in rows:
        before = reached.get(row.shard) or positions.get(row.shard, BEGINNING)
        if row.position != before.position + 1:
            raise hole(row.shard, before.position)
        if row.hash != row_hash(before.hash, row.topic, row.key, row.value, row.asked):
            raise LogDamaged(f"the log of shard {row.shard} does not continue what was published, at {row.position}")
        reached[row.shard] = Position(row.position, row.hash)
    return reached


def hole(shard: int, position: int) -> LogDamaged:
    """Return the error for a position that is missing from the log."""
    return LogDamaged(f"the log of shard {shard} has a hole after position {position}")


class BatchWriter:
    """Fills batches directly: aiokafka's `send` creates a future per record, and takes three times as long."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self._open: dict[Place, Any] = {}
        self.batches: list[tuple[Place, Any]] = []

    def add(self, place: Place, key: bytes | None, value: bytes, headers: list[tuple[str, bytes]]) -> None:
        """Append a record to the open batch of its partition, or to a new one."""
        batch = self._open.get(place)
        # A full batch returns None; an empty one accepts its first record whatever its size.
        if batch is None or batch.append(timestamp=None, key=key, value=value, headers=headers) is None:
            batch = self._open[place] = self._producer.create_batch()
            batch.append(timestamp=None, key=key, value=value, headers=headers)
            self.batches.append((place, batch))


async def _partitions(producer: AIOKafkaProducer, settings: Settings, topic: str) -> tuple[str, int]:
    name = settings.topic(topic)
    return name, len(await producer.partitions_for(name))


@lru_cache(maxsize=65_536)
def _hash(key: bytes) -> int:
    """Return the hash that Kafka's default partitioner takes modulo the number of partitions."""
    return place_of(key)
