"""The floor: the same bytes moved by the same clients to the same servers, with nothing decided.

A process that reads a topic in batches, somewhat larger than the transactions of whopays there. It COPYs, per record,
the rows that a rebinding adds (two of `log`, one of `bindings`, one of `inbox`), one transaction a batch, into tables
with the same columns, checks, keys and indexes, filled beforehand like their models; and it publishes one event on each
of two topics, with the bytes and headers of real ones, one Kafka transaction a batch, which is more than the relay
takes into one there. Then it commits its offsets.

It is given its best: records are not parsed, values are those of one sample (only what keys need is new: rows are
distinct, and records have keys of their own), events are put into Kafka's batches without a future each. While one
batch is published, the next one is copied and the one after it is fetched; between two Kafka transactions it pauses as
the relay does. An event becomes visible only when its rows are committed.

What it does not do: validate, lock, load or decide anything; end the binding before and count at the project (updates,
not rows added); render or hash; read the log again in order to publish it; hold what is promised between rows; write
the relay's position. Its `log` is not partitioned.
"""

import asyncio
import sys
from collections.abc import Sequence
from itertools import count
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from benchmarks.failures import BenchmarkFailed
from benchmarks.installations import columns_of, connect
from benchmarks.samples import Sample, samples_of_a_rebinding
from benchmarks.traffic import partitions_of
from workers.publishing.producer import SETTLE_SECONDS
from workers.runtime.settings import Settings

NAME = "floor"
COMMANDS, BINDINGS, RESULTS = f"{NAME}-commands", f"{NAME}-bindings", f"{NAME}-results"
_MEBIBYTE = 1024 * 1024
_LONGEST_FETCH_MILLISECONDS = 500
_TRANSACTION_RECORDS = 750
"""A generous reading of what the table of the benchmark says of whopays under "per commit"."""
_TABLES = ("log", "bindings", "inbox")


async def prepare(settings: Settings) -> None:
    """Make the tables, with the rows that their models have now."""
    connection = await connect(settings.database_url)
    await connection.execute(f"CREATE SCHEMA {NAME}")
    for table in _TABLES:
        columns = ", ".join(f'"{column}"' for column in await columns_of(connection, table))
        await connection.execute(f"CREATE TABLE {NAME}.{table} (LIKE {table} INCLUDING ALL)")
        await connection.execute(f"INSERT INTO {NAME}.{table} ({columns}) SELECT {columns} FROM {table}")  # noqa: S608
        await connection.execute(f"ANALYZE {NAME}.{table}")
    await connection.close()


async def verify(settings: Settings, records: int) -> None:
    """Make sure that the rows of so many records were added. Raises BenchmarkFailed."""
    connection = await connect(settings.database_url)
    try:
        found = await connection.fetchval(
            f"SELECT count(*) FROM {NAME}.inbox WHERE command_id LIKE '{NAME}-%'"  # noqa: S608
        )
    finally:
        await connection.close()
    if found != records:
        raise BenchmarkFailed(f"the floor copied the rows of {found} records, not of {records}")


async def main() -> None:
    """Move whatever comes, until killed."""
    settings = Settings()
    servers = settings.kafka_bootstrap_servers
    rows = await _Rows.sampled(settings)
    producer = AIOKafkaProducer(
        bootstrap_servers=servers, transactional_id=f"{settings.installation}-{NAME}", max_batch_size=_MEBIBYTE
    )
    consumer = AIOKafkaConsumer(
        bootstrap_servers=servers,
        group_id=f"{settings.installation}-{NAME}",
        isolation_level="read_committed",
        enable_auto_commit=False,
    )
    events = await samples_of_a_rebinding(settings, BINDINGS, RESULTS)
    await producer.start()
    await consumer.start()
    partitions = partitions_of(settings, settings.topic(COMMANDS))
    consumer.assign(partitions)
    await consumer.seek_to_end(*partitions)
    await asyncio.gather(*(consumer.position(partition) for partition in partitions))
    print('"started"', file=sys.stderr, flush=True)

    async def publish(batches: dict[TopicPartition, list[ConsumerRecord]], copying: asyncio.Task[None]) -> None:
        async with producer.transaction():
            await _send(producer, events, batches)
            await producer.flush()
            await copying
        offsets = {partition: records[-1].offset + 1 for partition, records in batches.items()}
        await asyncio.gather(consumer.commit(offsets), asyncio.sleep(SETTLE_SECONDS))

    async def fetch() -> dict[TopicPartition, list[ConsumerRecord]]:
        return dict(await consumer.getmany(timeout_ms=_LONGEST_FETCH_MILLISECONDS, max_records=_TRANSACTION_RECORDS))

    fetching = asyncio.create_task(fetch())
    publishing: asyncio.Task[None] | None = None
    while True:
        batches = await fetching
        fetching = asyncio.create_task(fetch())
        if not batches:
            continue
        copying = asyncio.create_task(rows.copy(sum(map(len, batches.values()))))
        if publishing is not None:
            await publishing
        publishing = asyncio.create_task(publish(batches, copying))
        await asyncio.wait([copying])


class _Rows:
    """Copies rows that differ from samples in what must be distinct."""

    def __init__(self, database: Any, samples: dict[str, dict[str, Any]], first: int) -> None:
        self._database = database
        self._columns = {table: tuple(sample) for table, sample in samples.items()}
        self._log = self._around(samples["log"], "position")
        self._bindings = self._around(samples["bindings"], "project")
        self._inbox = self._around(samples["inbox"], "command_id")
        self._numbers = count(first)

    @classmethod
    async def sampled(cls, settings: Settings) -> "_Rows":
        """Connect, and take the rows that were added last as samples."""
        database = await connect(settings.database_url, NAME)
        samples = {}
        for table in _TABLES:
            columns = await columns_of(database, table)
            row = await database.fetchrow(f"SELECT * FROM {table} ORDER BY ctid DESC LIMIT 1")  # noqa: S608
            assert row is not None
            samples[table] = {column: row[column] for column in columns}
        # Positions rise beyond those of the models, and go on where an earlier process of the floor ended.
        first = await database.fetchval(f"SELECT max(position) FROM {NAME}.log")  # noqa: S608
        return cls(database, samples, int(first) // 2 + 1)

    async def copy(self, records: int) -> None:
        """Copy the rows of so many records, in one transaction."""
        numbers = [next(self._numbers) for _ in range(records)]
        log, bindings, inbox = self._log, self._bindings, self._inbox
        added = {
            "log": [(*log[0], 2 * number + second, *log[1]) for number in numbers for second in (0, 1)],
            "bindings": [(*bindings[0], f"{NAME}-{number:09}", *bindings[1]) for number in numbers],
            "inbox": [(*inbox[0], f"{NAME}-{number:014}", *inbox[1]) for number in numbers],
        }
        async with self._database.transaction():
            for table, rows in added.items():
                await self._database.copy_records_to_table(
                    table, schema_name=NAME, records=rows, columns=self._columns[table]
                )

    @staticmethod
    def _around(sample: dict[str, Any], column: str) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        names = list(sample)
        place = names.index(column)
        values = tuple(sample.values())
        return values[:place], values[place + 1 :]


async def _send(
    producer: AIOKafkaProducer, events: Sequence[Sample], batches: dict[TopicPartition, list[ConsumerRecord]]
) -> None:
    """Send the events of each record to the partition of the same number as the record's."""
    for source, records in batches.items():
        for event in events:
            builder = producer.create_batch()
            for record in records:
                added = {"timestamp": None, "key": record.key + event.key_end, "value": event.value}
                if builder.append(**added, headers=event.headers) is None:
                    await producer.send_batch(builder, event.topic, partition=source.partition)
                    builder = producer.create_batch()
                    builder.append(**added, headers=event.headers)
            await producer.send_batch(builder, event.topic, partition=source.partition)


if __name__ == "__main__":
    asyncio.run(main())
