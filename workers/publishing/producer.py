"""The relay's producer, which knows when the end of a transaction may still be on its way."""

from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.protocol.transaction import EndTxnRequest


class EndUnanswered(KafkaError):  # type: ignore[misc]
    """A transaction is committed, but its producer must not be used again."""


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
