"""The worker: commands are handed over one by one, in the order of their partition."""

import asyncio
import logging
import time
from datetime import UTC, datetime, timedelta
from weakref import WeakKeyDictionary

from aiokafka import ConsumerRecord
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.message import ConsumerProtocol

from benchmarks.straightforward.answering import Answering
from benchmarks.straightforward.topics import COMMANDS
from schemas.records import Record
from workers.runtime.settings import Settings

CONSUMERS = 6
"""Each has a share of the partitions, and a connection to the database at a time."""

_SECONDS_BETWEEN_COMMITS = 1.0
_SECONDS_BEFORE_RETRY = 0.1
_logger = logging.getLogger(__name__)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def worker(settings: Settings, answering: Answering) -> KafkaBroker:
    """Return the broker that has commands answered.

    A command that fails is read again until it is through. Nothing behind it is acknowledged meanwhile: a consumer has
    one command in hand, and what it commits is all that came before.
    """
    broker = KafkaBroker(
        settings.kafka_bootstrap_servers.split(","),
        allow_auto_create_topics=False,
        apply_types=False,
        logger=None,
        decoder=_whole,
    )
    committed_at: WeakKeyDictionary[ConsumerProtocol, float] = WeakKeyDictionary()

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
        assert isinstance(message.raw_message, ConsumerRecord)
        try:
            await answering.answer(_record(message.raw_message))
        except Exception as error:
            _logger.error("a command is read again after %s", type(error).__name__)
            await asyncio.sleep(_SECONDS_BEFORE_RETRY)
            await message.nack()
            raise
        now = time.monotonic()
        if now - committed_at.get(message.consumer, 0.0) >= _SECONDS_BETWEEN_COMMITS:
            committed_at[message.consumer] = now
            await message.ack()

    return broker


async def _whole(message: KafkaMessage) -> KafkaMessage:
    """Hand over the message itself: its value is read by the rules of whopays."""
    return message


def _record(raw: ConsumerRecord) -> Record:
    return Record(
        topic=raw.topic,
        partition=raw.partition,
        offset=raw.offset,
        timestamp=_EPOCH + timedelta(milliseconds=raw.timestamp),
        key=raw.key,
        headers=tuple(raw.headers),
        value=raw.value,
    )
