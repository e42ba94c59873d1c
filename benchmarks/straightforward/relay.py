"""The relay: what faststream-outbox hands over row by row goes to Kafka; a row is deleted once the broker has it.

Rows are handed over in the order in which they were added, and sent in that order: a worker sends before it waits.

Tried: 2 to 16 workers, 50 to 500 rows fetched, 50 and 200 deleted at a time, polling every 10 to 200 ms, lingering for
0 to 20 ms. With 16 workers deletions are small, which costs both sides; from two on they keep up. While rows come
in, the library looks for more whenever a worker takes one, so that the other numbers hardly matter.
"""

import orjson
from aiokafka import AIOKafkaProducer
from faststream_outbox import OutboxBroker, OutboxMessage
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.straightforward.tables import outbox
from benchmarks.straightforward.topics import BINDINGS, OUTBOX_QUEUE, RESULTS
from schemas.events import BindingChanged
from schemas.message_types import type_of
from schemas.outgoing import headers_of
from schemas.results import CommandCompleted
from workers.runtime.settings import Settings

WORKERS = 8
CONNECTIONS = WORKERS + 1
_FETCHED_ROWS = 50
_DELETED_ROWS = 50
_POLL_SECONDS = 0.05
_LINGER_MILLISECONDS = 5
_BATCH_BYTES = 256 * 1024


def producer_of(settings: Settings) -> AIOKafkaProducer:
    """Return a producer that waits for all replicas and repeats nothing when it tries again."""
    return AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        acks="all",
        enable_idempotence=True,
        linger_ms=_LINGER_MILLISECONDS,
        max_batch_size=_BATCH_BYTES,
    )


def relay(settings: Settings, engine: AsyncEngine, producer: AIOKafkaProducer) -> OutboxBroker:
    """Return the broker that publishes the rows of the outbox; it holds as many connections as `CONNECTIONS`."""
    broker = OutboxBroker(engine, outbox_table=outbox, apply_types=False, logger=None, decoder=_whole)
    topics = {
        type_of(BindingChanged.name()): settings.topic(BINDINGS),
        type_of(CommandCompleted.name()): settings.topic(RESULTS),
    }

    @broker.subscriber(
        OUTBOX_QUEUE,
        max_workers=WORKERS,
        fetch_batch_size=_FETCHED_ROWS,
        terminal_flush_batch_size=_DELETED_ROWS,
        min_fetch_interval=_POLL_SECONDS,
        max_fetch_interval=_POLL_SECONDS,
    )
    async def publish(message: OutboxMessage) -> None:
        event = orjson.loads(message.body)
        await producer.send_and_wait(
            topics[event["type"]],
            key=event["partitionkey"].encode(),
            value=message.body,
            headers=headers_of(message.body),
        )

    return broker


async def _whole(message: OutboxMessage) -> OutboxMessage:
    return message
