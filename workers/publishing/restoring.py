"""Restoring the relay's positions from what is published, after `relay-positions` lost records."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.log import row_at
from db.published import published_at_least
from db.shards import Head, all_heads
from db.slots import division
from schemas.outgoing import place_of
from schemas.topics import OUTPUT_TOPICS, Topic
from workers.publishing.dividing import CLOSING_SLOT, fence_others, slot_of, transactional_id
from workers.publishing.packing import LogDamaged
from workers.publishing.positions import BEGINNING, Position, read_kept, render_position, render_watermark
from workers.publishing.producer import producing
from workers.publishing.takeover import gone_back
from workers.runtime.kafka import kafka_reading_options
from workers.runtime.settings import Settings
from workers.topics.cluster import administration, describe

_POLL_MS = 200
_WRITE_SECONDS = 60


async def restore_positions(engine: AsyncEngine, settings: Settings) -> dict[int, tuple[int, int]]:
    """Set the positions to the last event of each shard on the topics; return those that moved, from and to.

    Where the topics no longer hold the last event, the database's lower bound counts. The last watermark is written
    beside the positions again: what readers were told is closed stays closed. Raises LogDamaged if a published event is
    not in the log.
    """
    topic = settings.topic(Topic.RELAY_POSITIONS)
    async with engine.connect() as connection:
        number = (await division(connection)).number
    async with AsyncExitStack() as stack:
        # First fence relays that should have been stopped, and settle what they left open.
        producers = [
            await stack.enter_async_context(producing(settings, transactional_id(settings, number, slot)))
            for slot in range(number)
        ]
        await fence_others(engine, settings, number)
        kept = await read_kept(settings)
        before = kept.positions
        last = await _last_published(settings)
        async with engine.connect() as connection:
            for shard, bound in (await published_at_least(connection)).items():
                last[shard] = max(last.get(shard, 0), bound)
            heads = await all_heads(connection)
            moved = {
                shard: await _position(connection, shard, position, heads)
                for shard, position in last.items()
                if position > max(before.get(shard, BEGINNING).position, _begin(heads, shard))
            }
        # Each is written by its slot's producer, which a relay that was started meanwhile has fenced. The watermark
        # comes last, because it holds for the positions written before it.
        for slot, producer in reversed([*enumerate(producers)]):
            records = [render_position(shard, at) for shard, at in moved.items() if slot_of(shard, number) == slot]
            if slot == CLOSING_SLOT and kept.last is None and kept.seen is not None:
                records.append(render_watermark(kept.seen.value))
            await _write(producer, topic, records)
    return {shard: (before.get(shard, BEGINNING).position, to.position) for shard, to in moved.items()}


def _begin(heads: Mapping[int, Head], shard: int) -> int:
    """Return the position before a shard's first one, which counts as published without any event."""
    head = heads.get(shard)
    return head.begins_after if head else 0


async def _write(producer: AIOKafkaProducer, topic: str, records: Sequence[tuple[bytes, bytes]]) -> None:
    async with asyncio.timeout(_WRITE_SECONDS), producer.transaction():
        for key, value in records:
            await producer.send(topic, key=key, value=value, partition=0)


async def _position(connection: AsyncConnection, shard: int, position: int, heads: Mapping[int, Head]) -> Position:
    head = heads.get(shard)
    if head is None or head.position < position:
        raise gone_back(shard, head.position if head else 0, position)
    if head.position == position:
        return Position(position, head.hash)
    row = await row_at(connection, shard, position)
    if row is None:
        raise LogDamaged(f"the log of shard {shard} has no row {position}, which is the last that is published")
    return Position(position, row.hash)


async def published_events(settings: Settings) -> AsyncIterator[tuple[str, bytes | None, int, int]]:
    """Yield topic (without prefix), key, shard and position of every committed event on the output topics."""
    consumer = AIOKafkaConsumer(**kafka_reading_options(settings))
    try:
        await consumer.start()
        partitions = await _partitions(settings)
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        # Transaction markers take offsets but are not records, so check the reader's position, not what it received.
        while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
            for records in (await consumer.getmany(timeout_ms=_POLL_MS)).values():
                for record in records:
                    if found := place_of(record.value, settings.source):
                        yield record.topic.removeprefix(settings.topic_prefix), record.key, *found
    finally:
        await consumer.stop()


async def _last_published(settings: Settings) -> dict[int, int]:
    """Return the highest position of each shard's events on the topics."""
    last: dict[int, int] = {}
    async for _, _, shard, position in published_events(settings):
        last[shard] = max(last.get(shard, 0), position)
    return last


async def _partitions(settings: Settings) -> list[TopicPartition]:
    names = [settings.topic(topic) for topic in OUTPUT_TOPICS]
    async with administration(settings) as client:
        found = (await describe(client, names)).topics
    return [TopicPartition(name, number) for name, topic in found.items() for number in range(topic.partitions)]
