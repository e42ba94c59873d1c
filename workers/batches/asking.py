"""Who asks for each command of a batch: from its token, or, if it was redriven, from what its dead letter kept.

Determined before the transaction begins, because a transaction must wait for nothing but the database.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from db.errors import brief, is_transient
from db.redriven import kept_askers
from db.sealing import KeyEncryption
from schemas.asking import Checked
from schemas.records import Headers, Record

_RETRY_SECONDS = 0.5

logger = structlog.get_logger()

Verify = Callable[[Headers, datetime], Awaitable[Checked]]
"""Checks the token among the headers as of an instant; waits for an issuer's keys if they were never fetched."""


class Askers:
    """Finds out who asks, where tokens are checked; without `verify`, the envelopes alone say who."""

    def __init__(
        self, engine: AsyncEngine, keys: KeyEncryption, verify: Verify | None, stopping: asyncio.Event
    ) -> None:
        self._engine = engine
        self._keys = keys
        self._verify = verify
        self._stopping = stopping

    async def of(self, records: Sequence[Record]) -> Mapping[str, Checked] | None:
        """Return who asks for each command, by the place of its record; None if the process is to stop first.

        This waits as long as it takes while the database or an issuer is unavailable.
        """
        if self._verify is None:
            return {}
        asking = asyncio.create_task(self._found(records, self._verify))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait([asking, stopping], return_when=asyncio.FIRST_COMPLETED)
            return asking.result() if asking.done() else None
        finally:
            asking.cancel()
            stopping.cancel()
            await asyncio.wait([asking, stopping])

    async def _found(self, records: Sequence[Record], verify: Verify) -> Mapping[str, Checked]:
        found = await self._redriven([record for record in records if record.redrive_id is not None])
        for record in records:
            if record.place not in found:
                found[record.place] = await verify(record.headers, record.timestamp)
        return found

    async def _redriven(self, records: Sequence[Record]) -> dict[str, Checked]:
        while records:
            try:
                async with self._engine.connect() as connection:
                    return await kept_askers(connection, records, self._keys)
            except Exception as error:
                if not is_transient(error):
                    raise
                logger.warning("batch_retried", records=len(records), error=brief(error), delay_seconds=_RETRY_SECONDS)
            await asyncio.sleep(_RETRY_SECONDS)
        return {}
