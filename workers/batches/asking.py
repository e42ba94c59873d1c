"""Who asks each command of a batch: by its token, or where it was redriven by what its dead letter keeps.

Found out before the transaction begins, which waits for nobody but the database.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from db.redriven import kept_askers
from db.sealing import KeyEncryption
from schemas.asking import Checked
from schemas.records import Headers, Record

Verify = Callable[[Headers, datetime], Awaitable[Checked]]
"""Tells who asks, by the token among headers, as of an instant; it waits for keys that were never read."""


class Askers:
    """Tells who asks, where tokens are checked; where none are (`verify` is None), envelopes alone say so."""

    def __init__(self, engine: AsyncEngine, keys: KeyEncryption, verify: Verify | None) -> None:
        self._engine = engine
        self._keys = keys
        self._verify = verify

    @property
    def checks_tokens(self) -> bool:
        """Whether tokens are checked at all."""
        return self._verify is not None

    async def of(self, records: Sequence[Record]) -> Mapping[str, Checked]:
        """Return who asks each command, by the place of its record. Raises what the database's driver raises."""
        if self._verify is None:
            return {}
        found = {}
        redriven = [record for record in records if record.redrive_id is not None]
        if redriven:
            async with self._engine.connect() as connection:
                found = await kept_askers(connection, redriven, self._keys)
        for record in records:
            if record.place not in found:
                found[record.place] = await self._verify(record.headers, record.timestamp)
        return found
