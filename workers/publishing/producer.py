"""Writing in Kafka transactions, as relay and replays do: by one producer at a time, which fences its predecessors."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import IllegalOperation, KafkaError
from aiokafka.protocol.transaction import EndTxnRequest
from aiokafka.structs import RecordMetadata

from workers.runtime.kafka import kafka_options
from workers.runtime.settings import Settings

SETTLE_SECONDS = 0.004
"""The broker refuses to begin another transaction until it has written the end of the last one, and aiokafka waits much
longer than that takes before it retries."""

_START_SECONDS = 60
_STOP_SECONDS = 1
_BATCH_BYTES = 1024 * 1024

Place = tuple[str, int]
"""A topic, with its prefix, and a partition."""

logger = structlog.get_logger()


class EndUnanswered(KafkaError):  # type: ignore[misc]
    """A transaction is committed, but its producer must not be used again."""


class NotInTransaction(KafkaError):  # type: ignore[misc]
    """A producer was fenced, or failed: aiokafka finds itself in no transaction, and raises what is no KafkaError."""


class TransactionalProducer(AIOKafkaProducer):  # type: ignore[misc]
    """A producer that must not be used any more once a request to end a transaction went unanswered.

    aiokafka sends another one under the same epoch, and when that is answered goes on as if nothing had been. But the
    first may have survived its connection; whenever it arrives, it ends the transaction that is open then, of which
    only a part may be written. The epoch of the next producer is what keeps it out.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._is_end_unanswered = False
        self._send_by_client = self.client.send
        self.client.send = self._send

    async def commit_transaction(self) -> None:
        """Commit. Raises EndUnanswered when that succeeded, but only after the request was repeated."""
        await super().commit_transaction()
        if self._is_end_unanswered:
            raise EndUnanswered("the transaction is committed, after a first request to do so had got no answer")

    async def _send(self, node_id: int, request: Any, **options: Any) -> Any:
        try:
            return await self._send_by_client(node_id, request, **options)
        except BaseException:
            self._is_end_unanswered |= isinstance(request, EndTxnRequest)
            raise


@asynccontextmanager
async def producing(settings: Settings, transactional_id: str) -> AsyncIterator[TransactionalProducer]:
    """Yield a producer that has fenced its predecessors and settled what they left open."""
    producer = TransactionalProducer(
        **kafka_options(settings),
        transactional_id=transactional_id,
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
            logger.info("producer_dropped", transactional_id=transactional_id, error=type(error).__name__)
            await producer.client.close()


async def transact(
    producer: TransactionalProducer, batches: Sequence[tuple[Place, Any]], seconds: float
) -> list[RecordMetadata]:
    """Send batches, in order, in one transaction that must not take longer than so many seconds; return where they are.

    Raises KafkaError and TimeoutError. Any error ends the producer: it must not be used again.
    """
    sent: list[asyncio.Future[RecordMetadata]] = []
    try:
        # Given up before aiokafka would resend EndTxn under the same epoch, which could end the wrong transaction.
        async with asyncio.timeout(seconds):
            await producer.begin_transaction()
            for (topic, partition), batch in batches:
                sent.append(await producer.send_batch(batch, topic, partition=partition))
            written = await asyncio.gather(*sent)
            await asyncio.shield(producer.commit_transaction())
    except BaseException as error:
        # What became of each of them is not asked any more, and must not be logged as an error that nobody saw.
        asyncio.gather(*sent, return_exceptions=True)
        if isinstance(error, AssertionError | IllegalOperation):
            raise NotInTransaction(str(error)) from error
        raise
    return written
