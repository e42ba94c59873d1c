"""The baseline: the same bytes moved by the same clients to the same servers, with nothing decided or checked.

Run as a process: reads a topic in batches; per batch COPYs as many rows as whopays adds into ordinary (logged) tables
without indexes, in one transaction, while it publishes as many events in one Kafka transaction.
"""

import asyncio
import sys
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks.installations import connect
from benchmarks.traffic import partitions_of
from schemas.outgoing import headers_of
from schemas.topics import Topic
from workers.settings import Settings

COMMANDS, BINDINGS, RESULTS = "baseline-commands", "baseline-bindings", "baseline-results"
_MEBIBYTE = 1024 * 1024
_ROWS = {"log": 2, "bindings": 1, "inbox": 1}
"""How many rows a rebinding adds to each table."""


async def prepare(settings: Settings) -> None:
    """Make the tables."""
    connection = await connect(settings.database_url)
    await connection.execute("CREATE SCHEMA baseline")
    for table in _ROWS:
        await connection.execute(f"CREATE TABLE baseline.{table} (LIKE {table})")
    await connection.close()


async def main() -> None:
    """Move whatever comes, until killed; rows and events repeat those that the installation made last."""
    settings = Settings()
    database = await connect(settings.database_url)
    rows = {
        name: [tuple(await database.fetchrow(f"TABLE {name} ORDER BY ctid DESC LIMIT 1"))] * many
        for name, many in _ROWS.items()
    }
    last = "SELECT value FROM log WHERE topic = $1 ORDER BY recorded_at DESC LIMIT 1"
    values = {BINDINGS: await database.fetchval(last, Topic.BINDINGS)}
    values[RESULTS] = await database.fetchval(last, Topic.COMMAND_RESULTS)
    events = [(settings.topic(name), value, headers_of(value)) for name, value in values.items()]
    servers = settings.kafka_bootstrap_servers
    identity = f"{settings.installation}-baseline"
    producer = AIOKafkaProducer(bootstrap_servers=servers, transactional_id=identity, max_batch_size=_MEBIBYTE)
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, isolation_level="read_committed", enable_auto_commit=False)
    await producer.start()
    await consumer.start()
    partitions = partitions_of(settings, settings.topic(COMMANDS))
    consumer.assign(partitions)
    await consumer.seek_to_end(*partitions)
    print('"started"', file=sys.stderr, flush=True)
    while True:
        batches = await consumer.getmany(timeout_ms=500, max_records=settings.batch_max_records)
        keys = [record.key for records in batches.values() for record in records]
        if keys:
            await asyncio.gather(_copy(database, rows, len(keys)), _publish(producer, events, keys))


async def _copy(database: Any, rows: dict[str, list[tuple[object, ...]]], count: int) -> None:
    async with database.transaction():
        for name, added in rows.items():
            await database.copy_records_to_table(name, schema_name="baseline", records=added * count)


async def _publish(producer: AIOKafkaProducer, events: list[tuple[str, bytes, Any]], keys: list[bytes]) -> None:
    async with producer.transaction():
        for key in keys:
            for topic, value, headers in events:
                await producer.send(topic, key=key, value=value, headers=headers)


if __name__ == "__main__":
    asyncio.run(main())
