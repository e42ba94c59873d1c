"""The role `replays`: works on replays that were submitted to it, or that no process works on any more."""

import asyncio
import contextlib
from collections.abc import Callable

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from db.errors import brief, is_transient
from db.replays import waiting_replays
from workers.replaying.refusal import ReplayRefused, ReplayTaken
from workers.replaying.tally import Progress
from workers.replaying.working import Work
from workers.runtime.metrics import Metrics
from workers.runtime.roles import Role
from workers.runtime.settings import Settings

_AT_ONCE = 2
_POLL_SECONDS = 1.0

logger = structlog.get_logger()


class Replays:
    """Looks for replays to work on until told to stop; two at a time, so that a long one does not block the others."""

    def __init__(self, engine: AsyncEngine, settings: Settings, metrics: Metrics, stopping: asyncio.Event) -> None:
        self._engine = engine
        self._settings = settings
        self._metrics = metrics
        self._stopping = stopping
        self._works: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Work until stopped; keep retrying while the database is unavailable."""
        try:
            while not self._stopping.is_set():
                self._metrics.turns.turned(Role.REPLAYS)
                try:
                    await self._look()
                except Exception as error:
                    if not is_transient(error):
                        raise
                    logger.warning("replays_interrupted", error=brief(error))
                else:
                    self._metrics.alive(Role.REPLAYS)
                    self._metrics.turns.begun(Role.REPLAYS)
                await self._wait()
        finally:
            for work in self._works.values():
                # Each sees that it is to stop, and ends after its transaction.
                with contextlib.suppress(Exception):
                    await work

    async def _look(self) -> None:
        for name, work in list(self._works.items()):
            if work.done():
                del self._works[name]
                await work
        async with self._engine.connect() as connection:
            names = await waiting_replays(connection)
        for name in names:
            if name not in self._works and len(self._works) < _AT_ONCE:
                self._works[name] = asyncio.create_task(self._work(name))
        self._metrics.replays(working=len(self._works), waiting=len(set(names) - self._works.keys()))

    async def _work(self, name: str) -> None:
        try:
            # Throttled, because live traffic takes precedence: the workers may run in the same process.
            usual, told = self._settings.replay_rate, counted_by(self._metrics)
            await Work(self._engine, self._settings, name, self._stopping, told, usual_rate=usual).run()
        except ReplayTaken as taken:
            logger.info("replay_taken", replay=name, why=str(taken))
        except ReplayRefused as refused:
            # The reason is stored with the replay and shown; other replays continue.
            logger.error("replay_failed", replay=name, why=str(refused))

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_POLL_SECONDS):
                await self._stopping.wait()


def counted_by(metrics: Metrics) -> Callable[[Progress], None]:
    """Return a callback that counts a replay's events as it progresses, without those from before it resumed."""
    before: int | None = None

    def count(progress: Progress) -> None:
        nonlocal before
        metrics.replayed(0 if before is None else progress.records - before)
        before = progress.records

    return count
