"""The relay: what faststream-outbox hands over row by row, sent to Kafka; a row goes once the broker has it."""

import os
from typing import Any

from aiokafka import AIOKafkaProducer
from faststream_outbox import OutboxBroker, OutboxMessage

from benchmarks.straightforward.tables import engine_of, outbox
from schemas.outgoing import headers_of
from workers.settings import Settings

QUEUE = "events"
TOPIC, KEY = "topic", "key"
"""Headers of a row: where it goes."""

_ROWS_AT_A_TIME = int(os.environ.get("S_WORKERS", "16"))
_ROWS_FETCHED = int(os.environ.get("S_FETCH", "500"))
_ROWS_DELETED = int(os.environ.get("S_FLUSH", "50"))
_POLL_SECONDS = float(os.environ.get("S_POLL", "0.01"))
_LINGER = int(os.environ.get("S_LINGER", "5"))


def relay(settings: Settings, producer: AIOKafkaProducer) -> OutboxBroker:
    """Give the broker that publishes the rows of the outbox."""
    # A connection for each worker, one to fetch with.
    engine = engine_of(settings, _ROWS_AT_A_TIME + 1)
    broker = OutboxBroker(engine, outbox_table=outbox, apply_types=False, logger=None, decoder=_whole)

    @broker.subscriber(
        QUEUE,
        max_workers=_ROWS_AT_A_TIME,
        fetch_batch_size=_ROWS_FETCHED,
        terminal_flush_batch_size=_ROWS_DELETED,
        min_fetch_interval=_POLL_SECONDS,
        max_fetch_interval=_POLL_SECONDS * 2,
    )
    async def publish(message: OutboxMessage) -> None:
        value = message.body
        await producer.send_and_wait(
            message.headers[TOPIC], key=message.headers[KEY].encode(), value=value, headers=headers_of(value)
        )

    return broker


async def _whole(message: OutboxMessage) -> Any:
    return message


def producer_of(settings):
    return AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers, acks="all", enable_idempotence=True, linger_ms=_LINGER, max_batch_size=256*1024)
