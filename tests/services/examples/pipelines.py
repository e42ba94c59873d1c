"""Pipelines in processes of their own, which a test kills, and the stores that they write."""

import asyncio
import contextlib
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.support.packages import ROOT
from tests.support.processes import DIE_WITH_PARENT
from tests.support.waiting import until
from whopays_client import Connection


@dataclass
class Pipeline:
    """A pipeline by its module's name, and the file that is its store."""

    connection: Connection
    module: str
    store: Path

    @asynccontextmanager
    async def running(self, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """Have it run in a process, and kill it in the end (SIGKILL)."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", f"examples.{self.module}",
            self.connection.bootstrap_servers, self.connection.topic_prefix, str(self.store), *arguments,
            cwd=ROOT, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            preexec_fn=DIE_WITH_PARENT,
        )  # fmt: skip
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            _, said = await process.communicate()
            assert process.returncode == -signal.SIGKILL, said.decode()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return what is committed in its store; nothing where there is no such table yet."""
        with contextlib.closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)) as connection:
            return connection.execute(query).fetchall()

    async def has(self, query: str, count: int, process: asyncio.subprocess.Process) -> None:
        """Wait until a query of the store counts so many. Raises AssertionError where the process ends before."""

        async def look() -> bool:
            assert process.returncode is None, "the pipeline has ended"
            with contextlib.suppress(sqlite3.OperationalError):
                return int(self.rows(query)[0][0]) >= count
            return False

        await until(look, f"{count} of {query}", 90)


async def said_on(connection: Connection, name: str) -> list[dict[str, Any]]:
    """Return the committed records of a topic (without prefix), with their partition and key."""
    topic = connection.topic(name)
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=connection.bootstrap_servers,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    found: list[dict[str, Any]] = []
    try:
        await consumer.start()
        partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic))]
        ends = await consumer.end_offsets(partitions)
        while any([await consumer.position(one) < ends[one] for one in partitions]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += [{**orjson.loads(record.value), "key": record.key.decode()} for record in records]
    finally:
        await consumer.stop()
    return found
