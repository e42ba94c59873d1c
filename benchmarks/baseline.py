"""The baseline: the same bytes moved by the same clients to the same servers, with nothing decided or checked.

Run as a process: reads a topic in batches; per batch COPYs as many rows as whopays would into ordinary (logged) tables
without indexes, in one transaction, while it publishes as many events in one Kafka transaction.
"""

import asyncio
import sys
from collections.abc import Sequence

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks.installations import connect
from benchmarks.traffic import partitions_of
from schemas.outgoing import headers_of
from schemas.topics import Topic
from workers.settings import Settings

COMMANDS, BINDINGS, RESULTS = "baseline-commands", "baseline-bindings", "baseline-results"
_BATCH_BYTES, _LARGEST_EVENT_BYTES = 1024 * 1024, 8 * 1024 * 1024
_TABLES = {"log": 2, "bindings": 1, "inbox": 1}
"""How many rows a rebinding adds to each table."""


async def prepare(settings: Settings) -> None:
    """Make the tables, each with a row of the installation's own to repeat."""
    connection = await connect(settings.database_url)
    await connection.execute("CREATE SCHEMA baseline")
    for table in _TABLES:
        await connection.execute(f"CREATE TABLE baseline.{table} (LIKE {table})")
    await connection.close()


async def main() -> None:
    """Move whatever comes, until killed."""
    settings = Settings()
    connection = await connect(settings.database_url)
    rows = {table: await _newest(connection, table) for table in _TABLES}
    events = [
        (topic, await connection.fetchval("SELECT value FROM log WHERE topic = $1 ORDER BY recorded_at DESC", source))
        for topic, source in ((BINDINGS, Topic.BINDINGS), (RESULTS, Topic.COMMAND_RESULTS))
    ]
    published = [(settings.topic(topic), value, headers_of(value)) for topic, value in events]
    servers = settings.kafka_bootstrap_servers
    producer = AIOKafkaProducer(
        bootstrap_servers=servers,
        transactional_id=f"{settings.installation}-baseline",
        max_batch_size=_BATCH_BYTES,
        max_request_size=_LARGEST_EVENT_BYTES,
    )
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, isolation_level="read_committed", enable_auto_commit=False)
    await producer.start()
    await consumer.start()
    partitions = await partitions_of(consumer, settings.topic(COMMANDS))
    consumer.assign(partitions)
    await consumer.seek_to_end(*partitions)
    print('"started"', file=sys.stderr, flush=True)
    while True:
        batches = await consumer.getmany(timeout_ms=500, max_records=settings.batch_max_records)
        keys = [record.key for records in batches.values() for record in records]
        if keys:
            await asyncio.gather(_copy(connection, rows, len(keys)), _publish(producer, published, keys))


async def _newest(connection: "asyncpg.Connection[asyncpg.Record]", table: str) -> tuple[object, ...]:
    row = await connection.fetchrow(f"SELECT * FROM {table} ORDER BY ctid DESC LIMIT 1")  # noqa: S608
    return tuple(row)


async def _copy(
    connection: "asyncpg.Connection[asyncpg.Record]", rows: dict[str, tuple[object, ...]], count: int
) -> None:
    async with connection.transaction():
        for table, row in rows.items():
            await connection.copy_records_to_table(
                table, schema_name="baseline", records=[row] * (count * _TABLES[table])
            )


async def _publish(
    producer: AIOKafkaProducer, published: Sequence[tuple[str, bytes, list[tuple[str, bytes]]]], keys: Sequence[bytes]
) -> None:
    async with producer.transaction():
        for key in keys:
            for topic, value, headers in published:
                await producer.send(topic, key=key, value=value, headers=headers)


if __name__ == "__main__":
    asyncio.run(main())
