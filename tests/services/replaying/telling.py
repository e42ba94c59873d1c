"""An installation in which much was said, and replays of it as a consumer sees them."""

import asyncio
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from sqlalchemy import text

from schemas.instants import format_instant
from schemas.topics import Topic
from tests.services.replaying.reference import Logged
from tests.support.contract_files import check_published
from tests.support.installations import Installation
from tests.support.kafka import all_consumed, exactly_published, send
from tests.support.messages import Said, account, bind, command, profile, project
from tests.support.waiting import until
from workers.topics.cluster import administration, describe

ORGANIZATIONS = ("acme", "globex", "initech")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def say_much(installation: Installation) -> None:
    """Say something of every type, of three organizations, and dead letters; wait until it is published and closed."""
    for name in ORGANIZATIONS:
        await send(installation, [profile(name), *(account(name, one) for one in ("main", "spare"))])
        await send(installation, [project(name, one) for one in ("web", "shop", "lab")])
    await all_consumed(installation)
    for turn in range(3):
        payer = ("main", "spare")[turn % 2]
        binds = [
            bind(name, one, payer, f"{one}-{turn}", ce_traceparent=TRACE if one == "web" else None)
            for name in ORGANIZATIONS
            for one in ("web", "shop")
        ]
        await send(installation, binds)
    await all_consumed(installation)
    move = command("TransferProjects", "move", "acme", fromAccount="main", toAccount="spare")
    suspend = command("SuspendAccount", "hold", "globex", account="main", reason="Administrative")
    await send(installation, [move, suspend, project("initech", "web", 2, state="Deleted")])
    await send(installation, [project("acme", "web", state="Flying"), command("BindProject", "none", "acme")])
    await send(installation, [Said(Topic.PROJECTS, None, b"nothing"), Said(Topic.PROJECTS, b"\xff", b"nothing")])
    await exactly_published(installation)
    await close(installation)


async def close(installation: Installation) -> None:
    """Wait until all that was said is closed."""
    async with installation.engine.begin() as connection:
        await connection.execute(text("UPDATE shards SET last_instant = greatest(last_instant, clock_timestamp())"))

    async def is_noted() -> bool:
        async with installation.engine.connect() as connection:
            left = text(
                "SELECT count(*) FROM shards LEFT JOIN published USING (shard)"
                " WHERE shards.position > coalesce(published.position, 0)"
            )
            return int((await connection.execute(left)).scalar_one()) == 0

    await until(is_noted, "the relay")


async def log_of(installation: Installation) -> list[Logged]:
    """Return all rows of the log."""
    async with installation.engine.connect() as connection:
        rows = await connection.execute(text("SELECT shard, position, key, value FROM log ORDER BY shard, position"))
        return [Logged(*row) for row in rows]


async def records_of(installation: Installation, topic: str) -> list[list[ConsumerRecord]]:
    """Return the committed records of each partition of a topic, which is named with its prefix."""
    async with administration(installation.settings) as client:
        count = (await describe(client, [topic])).topics[topic].partitions
    consumer = AIOKafkaConsumer(
        bootstrap_servers=installation.kafka_bootstrap_servers, isolation_level="read_committed", group_id=None
    )
    found: list[list[ConsumerRecord]] = [[] for _ in range(count)]
    try:
        await consumer.start()
        partitions = [TopicPartition(topic, number) for number in range(count)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        # A commit is acknowledged before it is written to the partitions: for readers of committed records they may end
        # before it still.
        ends = await _ends(installation, partitions)
        while any([await consumer.position(one) < ends[one] for one in partitions]):
            for partition, records in (await consumer.getmany(timeout_ms=100)).items():
                for record in records:
                    check_published(record.value)
                found[partition.partition] += records
    finally:
        await consumer.stop()
    return found


async def _ends(installation: Installation, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
    """Return where partitions end, whatever is committed."""
    consumer = AIOKafkaConsumer(bootstrap_servers=installation.kafka_bootstrap_servers, group_id=None)
    try:
        await consumer.start()
        ends: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
    finally:
        await consumer.stop()
    return ends


def told(records: list[ConsumerRecord]) -> list[tuple[Any, ...]]:
    """Return what must be the same in every run: of a marker all but the moment of writing."""
    events = [{**orjson.loads(one.value), "time": ""} for one in records[-1:]]
    return [(one.key, one.value, one.headers) for one in records[:-1]] + [
        (one.key, event, one.headers) for one, event in zip(records[-1:], events, strict=True)
    ]


async def now(installation: Installation) -> str:
    """Return the instant by the database's clock, as events write instants."""
    await asyncio.sleep(0)
    async with installation.engine.connect() as connection:
        return format_instant((await connection.execute(text("SELECT clock_timestamp()"))).scalar_one())
