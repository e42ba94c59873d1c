"""The timers: turn what is due into internal messages, which take the same road as all others.

Any number of timer workers may run. What another has done meanwhile is found done under the shard's lock.
"""

import asyncio
import contextlib
from collections.abc import Sequence

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from db.errors import is_transient
from db.timers import due
from domain.fold import Due, DueKind
from workers.batch import Batches, Stopping
from workers.metrics import Metrics
from workers.roles import Role
from workers.settings import Settings

_AT_ONCE = 500
_RETRY_SECONDS = 1.0
_AVOID_SECONDS = 30.0

logger = structlog.get_logger()


class Timers:
    """Looks for what is due until it is told to stop."""

    def __init__(
        self, engine: AsyncEngine, settings: Settings, batches: Batches, metrics: Metrics, stopping: asyncio.Event
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._batches = batches
        self._metrics = metrics
        self._stopping = stopping
        self._avoided: dict[Due, float] = {}

    async def run(self) -> None:
        """Work until stopped. A database that is away is waited for."""
        while not self._stopping.is_set():
            try:
                found = await self._due()
                await self._do(found)
            except Stopping:
                return
            except Exception as error:
                if not is_transient(error):
                    raise
                logger.warning("timers_interrupted", error=type(error).__name__)
                await self._wait(_RETRY_SECONDS)
                continue
            self._metrics.alive(Role.TIMERS)
            if not found:
                await self._wait(self._settings.timers_poll_seconds)

    async def _due(self) -> list[Due]:
        async with self._engine.connect() as connection:
            found = await due(connection, _AT_ONCE)
        now = asyncio.get_running_loop().time()
        self._avoided = {one: until for one, until in self._avoided.items() if until > now}
        return [one for one in found if one not in self._avoided]

    async def _do(self, found: Sequence[Due]) -> None:
        # One transaction for a page of a fan-out, so that other organizations of its shard get their turn in between.
        fan_outs = [one for one in found if one.kind is DueKind.FAN_OUT]
        others = [one for one in found if one.kind is not DueKind.FAN_OUT]
        if others:
            await self._batches.settle_due(others)
            await self._avoid_what_is_still_due(others)
        for fan_out in fan_outs:
            await self._batches.settle_due([fan_out])

    async def _avoid_what_is_still_due(self, done: Sequence[Due]) -> None:
        """Leave alone for a while what cannot be done, because of a fault that was logged."""
        async with self._engine.connect() as connection:
            still = set(await due(connection, _AT_ONCE)) & set(done)
        until = asyncio.get_running_loop().time() + _AVOID_SECONDS
        self._avoided |= dict.fromkeys(still, until)

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
