"""The producer of a replay: whoever starts one with the same name fences the one before."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import structlog

from workers.publishing.packing import Place
from workers.publishing.producer import TransactionalProducer
from workers.runtime.settings import Settings

_START_SECONDS = 60
_STOP_SECONDS = 1
_BATCH_BYTES = 1024 * 1024

logger = structlog.get_logger()


@asynccontextmanager
async def producing(settings: Settings, name: str) -> AsyncIterator[TransactionalProducer]:
    """Yield a producer that has fenced its predecessors and settled what they left open."""
    producer = TransactionalProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        transactional_id=transactional_id(settings, name),
        max_batch_size=_BATCH_BYTES,
    )
    try:
        async with asyncio.timeout(_START_SECONDS):
            await producer.start()
        yield producer
    finally:
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await producer.stop()
        except Exception as error:  # noqa: BLE001 (whatever it is, this producer is not used again)
            logger.info("replay_producer_dropped", error=type(error).__name__)
            await producer.client.close()


async def transact(producer: TransactionalProducer, batches: Sequence[tuple[Place, Any]], seconds: float) -> None:
    """Send batches, in order, in one transaction that must not take longer than so many seconds."""
    # Given up before aiokafka would resend EndTxn under the same epoch, which could end the wrong transaction.
    async with asyncio.timeout(seconds):
        await producer.begin_transaction()
        sent = [await producer.send_batch(batch, topic, partition=partition) for (topic, partition), batch in batches]
        await asyncio.gather(*sent)
        await asyncio.shield(producer.commit_transaction())


def transactional_id(settings: Settings, name: str) -> str:
    """Return the name under which one process at a time writes a replay."""
    return f"whopays-replay-{settings.installation}-{name}"
