"""The worker: a subscriber with a consumer for every partition, and offsets committed once a second."""

import asyncio
import os
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage

from benchmarks.straightforward.answering import Answering
from benchmarks.straightforward.topics import COMMANDS
from schemas.records import Record
from workers.settings import Settings

_SECONDS_BETWEEN_COMMITS = float(os.environ.get("S_COMMIT", "1"))
CONSUMERS = int(os.environ.get("S_CONSUMERS", "12"))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def worker(settings: Settings, answering: Answering) -> KafkaBroker:
    """Give the broker that has each command answered."""
    broker = KafkaBroker(
        settings.kafka_bootstrap_servers.split(","),
        allow_auto_create_topics=False,
        apply_types=False,
        logger=None,
        decoder=_whole,
    )
    committed: WeakKeyDictionary[Any, float] = WeakKeyDictionary()

    @broker.subscriber(
        settings.topic(COMMANDS),
        max_workers=CONSUMERS,
        group_id=f"straightforward-{settings.installation}",
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.MANUAL,
        isolation_level="read_committed",
        no_reply=True,
    )
    async def handle(message: KafkaMessage) -> None:
        try:
            await answering.answer(_record(message.raw_message))
        except Exception:
            await asyncio.sleep(0.1)
            await message.nack()
            raise
        now = time.monotonic()
        if now - committed.get(message.consumer, 0) >= _SECONDS_BETWEEN_COMMITS:
            committed[message.consumer] = now
            await message.ack()

    return broker


async def _whole(message: KafkaMessage) -> Any:
    return message


def _record(raw: Any) -> Record:
    return Record(
        topic=raw.topic,
        partition=raw.partition,
        offset=raw.offset,
        timestamp=_EPOCH + timedelta(milliseconds=raw.timestamp),
        key=raw.key,
        headers=tuple(raw.headers),
        value=raw.value,
    )
