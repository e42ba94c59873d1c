"""How long it takes after a fault until nothing waits any more: measured, with a generous bound."""

import json
import os
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from sqlalchemy.exc import DBAPIError

from db.shards import all_heads
from schemas.topics import INPUT_TOPICS
from tests.faults.load import Load
from tests.support.installations import Installation
from tests.support.kafka import acknowledged_offsets
from tests.support.waiting import until
from workers.publishing.positions import BEGINNING, PositionsUnreadable, read_kept
from workers.runtime.roles import Role

RECOVERY_SECONDS = 240
"""A generous bound, for slow shared cores: anything longer counts as never."""

REPORT_VARIABLE = "CHAOS_REPORT"
"""Names a file to which each recovery is appended, as a line of JSON."""

recoveries: list[tuple[str, float]] = []
"""What was measured in this run, in seconds."""

T = TypeVar("T")

_AWAY = (KafkaError, PositionsUnreadable, DBAPIError, OSError, TimeoutError)


@asynccontextmanager
async def recovers(load: Load, fault: str) -> AsyncIterator[None]:
    """Break and mend something in the block; then wait until everything sent by its end is decided and published.

    The load continues all the time.
    """
    yield
    ended = time.monotonic()
    await nothing_waits(load.installation, fault)
    _note(fault, time.monotonic() - ended)


async def flows(load: Load, records: int = 60) -> None:
    """Wait until so many more records have been sent, so that what is broken next is broken under load."""
    enough = len(load.sent) + records

    async def look() -> bool:
        return len(load.sent) >= enough

    await until(look, f"{records} records more", RECOVERY_SECONDS)


async def nothing_waits(installation: Installation, fault: str) -> None:
    """Wait until everything sent so far is decided and published."""

    async def sent() -> dict[TopicPartition, int] | None:
        return await _if_there(_ends(installation))

    ends = await until(sent, f"the broker after {fault}", RECOVERY_SECONDS)

    async def decided() -> bool | None:
        return await _if_there(_are_acknowledged(installation, ends))

    await until(decided, f"the consumers after {fault}", RECOVERY_SECONDS)

    async def heads() -> dict[int, int] | None:
        return await _if_there(_heads(installation))

    logged = await until(heads, f"the database after {fault}", RECOVERY_SECONDS)

    async def published() -> bool | None:
        return await _if_there(_are_published(installation, logged))

    await until(published, f"the relay after {fault}", RECOVERY_SECONDS)


async def _if_there(asking: Awaitable[T]) -> T | None:
    try:
        return await asking
    except _AWAY:
        return None


async def _ends(installation: Installation) -> dict[TopicPartition, int]:
    consumer = AIOKafkaConsumer(bootstrap_servers=installation.kafka_bootstrap_servers, enable_auto_commit=False)
    try:
        await consumer.start()
        partitions = [
            TopicPartition(installation.settings.topic(topic), number)
            for topic in INPUT_TOPICS
            for number in range(installation.settings.topic_partitions)
        ]
        ends: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
        return ends
    finally:
        await consumer.stop()


async def _are_acknowledged(installation: Installation, ends: dict[TopicPartition, int]) -> bool:
    offsets: dict[TopicPartition, int] = {}
    for role in (Role.PROJECTS, Role.PAYMENT_PROFILES, Role.ADMIN_COMMANDS):
        offsets |= await acknowledged_offsets(installation, role)
    return all(offsets.get(partition, 0) >= end for partition, end in ends.items())


async def _heads(installation: Installation) -> dict[int, int]:
    async with installation.engine.connect() as connection:
        return {shard: head.position for shard, head in (await all_heads(connection)).items()}


async def _are_published(installation: Installation, logged: dict[int, int]) -> bool:
    settings = installation.settings
    reached = (await read_kept(settings)).positions
    return all(reached.get(shard, BEGINNING).position >= position for shard, position in logged.items())


def _note(fault: str, seconds: float) -> None:
    recoveries.append((fault, seconds))
    if path := os.environ.get(REPORT_VARIABLE):
        with Path(path).open("a", encoding="utf-8") as report:
            report.write(json.dumps({"fault": fault, "recoverySeconds": round(seconds, 2)}) + "\n")
