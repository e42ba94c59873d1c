"""Reporting by the relays of a process: their metrics, the unpublished backlog, and liveness."""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.published import unpublished
from db.watching import unpublished_age
from workers.publishing.dividing import CLOSING_SLOT
from workers.publishing.packing import Publication
from workers.publishing.positions import Position
from workers.runtime.looking import AgeLook
from workers.runtime.metrics import Exemplar, Metrics
from workers.runtime.roles import Role
from workers.runtime.settings import Settings

Trace = Callable[[Publication, float, float], Exemplar | None]
"""Records a committed transaction, with its start and end in Unix time, and returns the exemplar for its metrics; None
if it is not recorded."""


class Telling:
    """Reports for all relays of a process."""

    def __init__(self, settings: Settings, metrics: Metrics, trace: Trace | None) -> None:
        self._metrics = metrics
        self._trace = trace
        self._is_alone = settings.relay_slots == 1
        self._age = AgeLook(metrics)
        self._at_work: set[int] = set()
        metrics.divided(settings.relay_slots)
        self._tell()

    def began(self, slot: int) -> None:
        """Record that a slot's relay has started publishing."""
        self._at_work.add(slot)
        self._tell()

    def ended(self, slot: int) -> None:
        """Record that a slot's relay has stopped publishing."""
        self._at_work.discard(slot)
        self._tell()

    def lap(self) -> AbstractContextManager[None]:
        """Watch one round of a relay, which must finish in time."""
        return self._metrics.turns.doing(Role.RELAY)

    def interrupted(self) -> None:
        """Count an error after which a relay restarts."""
        self._metrics.relay_interrupted()

    def transacted(self, publication: Publication, started_at: float, seconds: float) -> None:
        """Count a transaction, with its start in Unix time, and trace it."""
        exemplar = None if self._trace is None else self._trace(publication, started_at, started_at + seconds)
        self._metrics.transacted(publication.rows, seconds, exemplar)

    def closed(self, until: datetime | None) -> None:
        """Report the instant up to which readers were told that they are complete."""
        self._metrics.closed(until)

    async def published(
        self, connection: AsyncConnection, publication: Publication, positions: Mapping[int, Position]
    ) -> None:
        """Count published rows; where there is one slot, also report the exact backlog."""
        self._metrics.published(publication.rows)
        if self._is_alone:
            self._metrics.left(publication.left)
            await self._age.look(connection, {shard: at.position for shard, at in positions.items()}, publication.left)
        self._is_alive()

    async def look(self, engine: AsyncEngine) -> None:
        """Report the backlog of all slots as the database knows it, unless a relay here knows it exactly."""
        if self._at_work and self._is_alone:
            return
        async with engine.connect() as connection:
            left, age = await unpublished(connection), await unpublished_age(connection)
        self._metrics.left(left)
        self._metrics.oldest_unpublished(time.time() - age if left else None)
        if not self._at_work:
            self._is_alive()

    def _is_alive(self) -> None:
        self._metrics.turns.begun(Role.RELAY)
        self._metrics.alive(Role.RELAY)

    def _tell(self) -> None:
        self._metrics.relaying(len(self._at_work), closes=CLOSING_SLOT in self._at_work)
