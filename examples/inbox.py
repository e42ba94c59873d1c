"""An inbox: a topic of one's own, read from where one's own store says."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import ConsumerRecord

from whopays_client import Connection, SQLiteStore

_POLL_MS = 200
_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Batch:
    """Some records, often none, and what the store is to remember in the transaction that handles them."""

    records: list[ConsumerRecord]
    offsets: dict[str, str]


async def batches(connection: Connection, store: SQLiteStore, name: str, topic: str) -> AsyncGenerator[Batch, None]:
    """Read a topic (its full name) from where `name` was, for ever, with an empty batch now and then.

    Raises KafkaError, and whatever handling a batch raises: begin again then, and what was not remembered comes again.
    """
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=connection.bootstrap_servers,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        **connection.kafka,
    )
    try:
        await consumer.start()
        keys = {partition: f"{name}/inbox/{topic}/{partition.partition}" for partition in consumer.assignment()}
        kept = await store.recall(None, list(keys.values()))
        for partition, key in keys.items():
            consumer.seek(partition, int(kept.get(key, 0)))
        while True:
            found = await consumer.getmany(timeout_ms=_POLL_MS, max_records=_AT_ONCE)
            records = [record for one in found.values() for record in one]
            offsets = {f"{name}/inbox/{one.topic}/{one.partition}": str(found[one][-1].offset + 1) for one in found}
            yield Batch(records, offsets)
    finally:
        await consumer.stop()
