"""Writing in Kafka transactions, for relay and replays: one producer at a time, which fences its predecessors."""

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
"""The broker refuses a new transaction until it has written the end of the last one, and aiokafka's retry then waits
much longer than that takes."""

_START_SECONDS = 60
_STOP_SECONDS = 1
_BATCH_BYTES = 1024 * 1024

Place = tuple[str, int]
"""A topic, with its prefix, and a partition."""

logger = structlog.get_logger()


class EndUnanswered(KafkaError):  # type: ignore[misc]
    """The transaction was committed, but its producer must not be used again."""


class NotInTransaction(KafkaError):  # type: ignore[misc]
    """A producer was fenced or failed, so aiokafka is in no transaction, and raises an error that is no KafkaError."""


class TransactionalProducer(AIOKafkaProducer):  # type: ignore[misc]
    """A producer that must not be used again once a request to end a transaction has gone unanswered.

    aiokafka repeats the request under the same epoch, and carries on once that one is answered. But the first request
    may have survived its connection: whenever it arrives, it ends whichever transaction is open then, possibly half
    written. Only the epoch of the next producer fences it off.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._is_end_unanswered = False
        self._send_by_client = self.client.send
        self.client.send = self._send

    async def commit_transaction(self) -> None:
        """Commit. Raises EndUnanswered if it succeeded only after the request was repeated."""
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
    """Yield a producer that has fenced its predecessors and settled the transactions that they left open."""
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
        except Exception as error:  # noqa: BLE001 (this producer is not used again)
            logger.info("producer_dropped", transactional_id=transactional_id, error=type(error).__name__)
            await producer.client.close()


async def transact(
    producer: TransactionalProducer, batches: Sequence[tuple[Place, Any]], seconds: float
) -> list[RecordMetadata]:
    """Send batches, in order, in one transaction of at most `seconds`; return the metadata of each batch.

    Raises KafkaError and TimeoutError. After any error the producer must not be used again.
    """
    sent: list[asyncio.Future[RecordMetadata]] = []
    try:
        # Times out before aiokafka would resend EndTxn under the same epoch, which could end the wrong transaction.
        async with asyncio.timeout(seconds):
            await producer.begin_transaction()
            for (topic, partition), batch in batches:
                sent.append(await producer.send_batch(batch, topic, partition=partition))
            written = await asyncio.gather(*sent)
            await asyncio.shield(producer.commit_transaction())
    except BaseException as error:
        # These futures are not awaited any more: retrieve their errors, so that asyncio does not log them as unhandled.
        asyncio.gather(*sent, return_exceptions=True)
        if isinstance(error, AssertionError | IllegalOperation):
            raise NotInTransaction(str(error)) from error
        raise
    return written
