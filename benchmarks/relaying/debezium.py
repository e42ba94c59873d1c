"""Debezium's connector for PostgreSQL with its outbox event router, on Kafka Connect with exactly-once delivery.

It publishes the same records: value, key, and every header but its own `id` are those of whopays, each header from a
column of its own, as the router wants it. It is given its best. Tuned are: polled every 5 ms (500 by default), up to
16,384 events in a batch and a transaction (2,048), a queue of four such batches (8,192), a producer that fills requests
of 1 MiB (16 KiB), strings that are passed through as they are, one warm JVM for all rounds with a fixed heap and
the collector that takes least of two cores. Its table has no index and no hash chain, and its rows are never deleted.
While it is held, PostgreSQL already decodes as much as the connection takes. Like whopays it publishes each event
once for readers of committed records: a batch is a transaction, which holds the connector's offset too.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import asyncpg
from sqlalchemy import make_url

from benchmarks.installations import connect as connect_to
from benchmarks.installations import extra_topics
from benchmarks.processes import Program
from benchmarks.relaying.connect import Connect, connect_worker
from benchmarks.relaying.outbox import Outbox, Row
from db.placing import shard_of
from schemas.outgoing import Outgoing, headers_of, render
from schemas.topics import Topic
from workers.runtime.settings import Settings

_CONNECTOR, _TABLE = "outbox", "debezium_outbox"
_NAMES = {Topic.BINDINGS: "debezium-bindings", Topic.COMMAND_RESULTS: "debezium-results"}
_HEADERS = ("content-type", "traceparent")
_COLUMNS = ("event_id", "topic", "key", "value", *(name.replace("-", "_") for name in _HEADERS))
_STRINGS = "org.apache.kafka.connect.storage.StringConverter"
_BATCH_EVENTS = 16_384

_WORKER = {
    "key.converter": _STRINGS,
    "value.converter": _STRINGS,
    "exactly.once.source.support": "enabled",
    # It is held still for some seconds while the outbox is filled.
    "session.timeout.ms": "60000",
    "producer.batch.size": str(1024 * 1024),
    "producer.buffer.memory": str(128 * 1024 * 1024),
    "producer.linger.ms": "0",
    "producer.max.request.size": str(8 * 1024 * 1024),
}


class Debezium(Outbox):
    """Rows are appended to an outbox table by COPY, as to the log, with the same bytes."""

    name: ClassVar[str] = "Debezium"

    def __init__(self, settings: Settings, connection: "asyncpg.Connection[asyncpg.Record]", connect: Connect) -> None:
        self._settings = settings
        self._connection = connection
        self._connect = connect
        self._positions = dict.fromkeys(range(settings.shards), 0)
        self._marked = 0
        self.topics = tuple(map(settings.topic, _NAMES.values()))

    @asynccontextmanager
    async def publishing(self) -> AsyncIterator[Sequence[Program]]:
        """Let the connector work. Its slot is created with its first start, and only what commits later is read."""
        await self._connect.request("PUT", f"/connectors/{_CONNECTOR}/resume")
        await self._connect.until(_CONNECTOR, "RUNNING", tasks=1)
        try:
            yield [self._connect.program]
        finally:
            await self._connect.request("PUT", f"/connectors/{_CONNECTOR}/stop")
            await self._connect.until(_CONNECTOR, "STOPPED", tasks=0)

    async def mark(self) -> None:
        """Remember the last row."""
        self._marked = await self._connection.fetchval("SELECT coalesce(max(number), 0) FROM debezium_outbox")

    async def append(self, events: Sequence[Outgoing]) -> list[str]:
        """Append to the outbox table."""
        placed = [self._rendered(event) for event in events]
        rows = [_row(*event) for event in placed]
        async with self._connection.transaction():
            await self._connection.copy_records_to_table(_TABLE, records=rows, columns=_COLUMNS)
        return [identity for identity, *_ in placed]

    async def appended(self) -> list[Row]:
        """Return the table since the mark."""
        query = "SELECT topic, key, value FROM debezium_outbox WHERE number > $1 ORDER BY number"
        rows = await self._connection.fetch(query, self._marked)
        return [Row(row["topic"], row["key"].encode(), row["value"].encode()) for row in rows]

    def _rendered(self, event: Outgoing) -> tuple[str, str, bytes, bytes]:
        shard = shard_of(event.boundary, self._settings.shards)
        self._positions[shard] += 1
        identity = f"{shard}-{self._positions[shard]}"
        value = render(event, identity, self._settings.source)
        return identity, self._settings.topic(_NAMES[event.topic]), event.key or b"", value


def _row(identity: str, topic: str, key: bytes, value: bytes) -> tuple[str | None, ...]:
    headers = dict(headers_of(value))
    texts = (headers[name].decode() if name in headers else None for name in _HEADERS)
    return identity, topic, key.decode(), value.decode(), *texts


@asynccontextmanager
async def installed_debezium(settings: Settings) -> AsyncIterator[Debezium]:
    """Make the outbox table and the topics, run Kafka Connect, and yield Debezium with its connector stopped."""
    connection = await connect_to(settings.database_url)
    try:
        await connection.execute(
            f"CREATE TABLE {_TABLE} (number bigint GENERATED ALWAYS AS IDENTITY, "
            f"{', '.join(f'{column} text' for column in _COLUMNS)})"
        )
        async with extra_topics(settings, *map(settings.topic, _NAMES.values())):
            try:
                async with connect_worker(settings, _WORKER) as connect:
                    await connect.request("POST", "/connectors", _connector(settings))
                    yield Debezium(settings, connection, connect)
            finally:
                await _drop_slot(connection, settings.installation)
    finally:
        await connection.close()


async def _drop_slot(connection: "asyncpg.Connection[asyncpg.Record]", slot: str) -> None:
    """Drop the slot, if there is one: a database with a slot cannot be dropped."""
    slots = "FROM pg_replication_slots WHERE slot_name = $1"
    await connection.execute(f"SELECT pg_terminate_backend(active_pid, 5000) {slots} AND active", slot)
    await connection.execute(f"SELECT pg_drop_replication_slot(slot_name) {slots}", slot)


def _connector(settings: Settings) -> dict[str, Any]:
    url = make_url(settings.database_url)
    return {
        "name": _CONNECTOR,
        "initial_state": "STOPPED",
        "config": {
            "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
            "tasks.max": "1",
            "database.hostname": url.host,
            "database.port": str(url.port),
            "database.user": url.username,
            "database.password": url.password,
            "database.dbname": url.database,
            "topic.prefix": settings.topic("debezium"),
            "plugin.name": "pgoutput",
            "slot.name": settings.installation,
            "publication.autocreate.mode": "filtered",
            "table.include.list": f"public.{_TABLE}",
            "snapshot.mode": "no_data",
            "tombstones.on.delete": "false",
            # These would be three headers more on each record.
            "extended.headers.enabled": "false",
            "exactly.once.support": "required",
            "transaction.boundary": "poll",
            "poll.interval.ms": "5",
            "max.batch.size": str(_BATCH_EVENTS),
            "max.queue.size": str(4 * _BATCH_EVENTS),
            "header.converter": _STRINGS,
            "transforms": "outbox",
            "transforms.outbox.type": "io.debezium.transforms.outbox.EventRouter",
            "transforms.outbox.table.field.event.id": "event_id",
            "transforms.outbox.table.field.event.key": "key",
            "transforms.outbox.table.field.event.payload": "value",
            "transforms.outbox.table.fields.additional.placement": ",".join(
                f"{name.replace('-', '_')}:header:{name}" for name in _HEADERS
            ),
            "transforms.outbox.route.by.field": "topic",
            "transforms.outbox.route.topic.replacement": "${routedByValue}",
        },
    }
