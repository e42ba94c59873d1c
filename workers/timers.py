"""The timers: turn due items into internal messages, which are processed like all others.

Any number of timers may run: under the shard's lock each sees what another has already done.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from db.errors import brief, is_transient
from db.timers import due, unfinished_fan_outs
from domain.messages import Due
from workers.batches.transaction import Batches, Stopping
from workers.runtime.looking import OverdueLook
from workers.runtime.metrics import Metrics
from workers.runtime.roles import Role
from workers.runtime.settings import Settings

_AT_ONCE = 500
_RETRY_SECONDS = 1.0
_AVOID_SECONDS = 30.0
_LONGEST_PAUSE_SECONDS = 0.5

logger = structlog.get_logger()


class Timers:
    """Processes due items until told to stop."""

    def __init__(
        self, engine: AsyncEngine, settings: Settings, batches: Batches, metrics: Metrics, stopping: asyncio.Event
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._batches = batches
        self._metrics = metrics
        self._stopping = stopping
        self._avoided: dict[Due, float] = {}
        self._last: Due | None = None
        self._overdue = OverdueLook(engine, metrics)

    async def run(self) -> None:
        """Work until stopped; keep retrying while the database is unavailable."""
        while not self._stopping.is_set():
            self._metrics.turns.turned(Role.TIMERS)
            try:
                is_idle = not await self._work()
            except Stopping:
                return
            except Exception as error:
                if not is_transient(error):
                    raise
                logger.warning("timers_interrupted", error=brief(error))
                await self._wait(_RETRY_SECONDS)
                continue
            self._metrics.alive(Role.TIMERS)
            self._metrics.turns.begun(Role.TIMERS)
            await self._overdue.look()
            if is_idle:
                await self._wait(self._settings.timers_poll_seconds)

    async def _work(self) -> bool:
        """Do what is due, then one page of one fan-out; return whether there was anything to do."""
        others, fan_outs = await self._due()
        # One page per transaction, so that other organizations of its shard, and newly due items, get their turn.
        page = [_next_in_turn(fan_outs, self._last)] if fan_outs else []
        self._last = page[0] if page else None
        if others:
            self._avoid(await self._batches.process_due(others))
        if page:
            began = time.monotonic()
            self._avoid(await self._batches.process_due(page))
            # Leave as much time to the rest of the shard, and to the relay, which would otherwise fall further behind.
            await self._wait(min(time.monotonic() - began, _LONGEST_PAUSE_SECONDS))
        return bool(others or page)

    async def _due(self) -> tuple[list[Due], list[Due]]:
        now = asyncio.get_running_loop().time()
        self._avoided = {one: until for one, until in self._avoided.items() if until > now}
        limit = _AT_ONCE + len(self._avoided)
        async with self._engine.connect() as connection:
            others = await due(connection, limit)
            fan_outs = await unfinished_fan_outs(connection, limit)
        return self._without_avoided(others), self._without_avoided(fan_outs)

    def _avoid(self, faulty: Sequence[Due]) -> None:
        """Avoid for a while items that failed because of a fault, which was logged."""
        self._avoided |= dict.fromkeys(faulty, asyncio.get_running_loop().time() + _AVOID_SECONDS)

    def _without_avoided(self, found: Sequence[Due]) -> list[Due]:
        return [one for one in found if one not in self._avoided]

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()


def _next_in_turn(fan_outs: Sequence[Due], last: Due | None) -> Due:
    """Return the fan-out whose turn is next, by account, so that a small one never waits for a large one."""
    in_order = sorted(fan_outs, key=_name)
    return next((one for one in in_order if last is None or _name(one) > _name(last)), in_order[0])


def _name(due: Due) -> tuple[str, str]:
    return (due.organization, due.name)
