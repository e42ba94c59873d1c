"""An outbox: what a transaction of the store wants published, published exactly once.

Rows are written with the work that they tell of, and published after it. How far that went is committed by Kafka in the
very transaction that publishes them, as the offset of a consumer group that nobody reads with; so whoever is killed
between Kafka's commit and the store's finds the rows published, and does not publish them again.
"""

import asyncio
import json
import sqlite3
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from whopays_client import Connection, SQLiteStore

_AT_ONCE = 500
_LOOK_AGAIN_SECONDS = 0.2
_TABLE = "CREATE TABLE IF NOT EXISTS outbox (number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT, value TEXT)"


class Outbox:
    """Publishes the table `outbox` of a store on a topic (its full name), to readers of committed records.

    A second one on the same store fences the first, whose `publish` then raises: any error ends the process, and the
    next one begins where Kafka says.
    """

    def __init__(self, connection: Connection, store: SQLiteStore, name: str, topic: str) -> None:
        self._connection = connection
        self._store = store
        self._name = name
        self._topic = TopicPartition(topic, 0)
        self._stack = AsyncExitStack()
        self._published = 0

    async def __aenter__(self) -> Self:
        """Make the table, settle what an earlier process left open, and find how far it came."""
        async with self._store.transaction(self._name) as transaction:
            transaction.execute(_TABLE)
            # A store that is begun again has rows of its own, numbered from 1.
            found = await self._store.recall(transaction, ["outbox"])
            self._group = found.get("outbox") or f"{self._name}-{uuid4()}"
            await self._store.remember(transaction, {"outbox": self._group})
        kafka: dict[str, Any] = {"bootstrap_servers": self._connection.bootstrap_servers, **self._connection.kafka}
        async with AsyncExitStack() as stack:
            self._producer = AIOKafkaProducer(transactional_id=self._group, **kafka)
            stack.push_async_callback(self._producer.stop)
            await self._producer.start()
            async with AIOKafkaConsumer(group_id=self._group, enable_auto_commit=False, **kafka) as reader:
                self._published = await reader.committed(self._topic) or 0
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        await self._stack.aclose()

    @staticmethod
    def put(transaction: sqlite3.Connection, key: str, value: dict[str, Any]) -> None:
        """Have a record published once the transaction is committed."""
        transaction.execute("INSERT INTO outbox (key, value) VALUES (?, ?)", (key, json.dumps(value)))

    async def keep_publishing(self) -> None:
        """Publish what is waiting, again and again, until cancelled. Raises KafkaError."""
        while True:
            await self.publish()
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def publish(self) -> None:
        """Publish what is waiting. Raises KafkaError, after which this outbox is of no more use."""
        while True:
            async with self._store.transaction(self._name) as transaction:
                transaction.execute("DELETE FROM outbox WHERE number <= ?", (self._published,))
                rows = transaction.execute("SELECT * FROM outbox ORDER BY number LIMIT ?", (_AT_ONCE,)).fetchall()
            if not rows:
                return
            async with self._producer.transaction():
                for _, key, value in rows:
                    await self._producer.send(self._topic.topic, value.encode(), key=key.encode())
                number = rows[-1][0]
                await self._producer.send_offsets_to_transaction({self._topic: number}, self._group)
            self._published = number
