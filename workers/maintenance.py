"""The role `maintenance`: chores that keep the database in shape, each done by one process at a time, in small steps.

The lease of a chore is only best effort: a step is one transaction or safe to repeat, does no harm if two processes do
it at once, and takes no lock that other work waits for.
"""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import uuid4

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from db.archive.trouble import ArchiveUnreachable
from db.errors import brief
from db.leases import chores_done, give_up_chore, take_chore
from db.log import ensure_partitions, positions_left
from workers.archiving import Archiving
from workers.forgetting import ForgettingCommands, ForgettingLetters, ForgettingPlaces
from workers.publishing.positions import is_retryable
from workers.runtime.metric import ChoreName
from workers.runtime.metrics import Metrics
from workers.runtime.roles import Role
from workers.runtime.settings import Settings

_LOOK_SECONDS = 5.0
_AFTER_FAILURE_SECONDS = 300.0

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Chore:
    """A recurring task.

    `step` does a small part of it, and returns whether there is more to do at once; after it the chore pauses for as
    long as the step took, so that other work gets its turn. Once nothing is left, the chore rests.
    """

    name: ChoreName
    step: Callable[[], Awaitable[bool]]


class Maintenance:
    """Does chores until told to stop; several processes may run it."""

    def __init__(
        self,
        engine: AsyncEngine,
        settings: Settings,
        metrics: Metrics,
        stopping: asyncio.Event,
        chores: Sequence[Chore] | None = None,
    ) -> None:
        """`chores` defaults to all chores."""
        self._engine = engine
        self._settings = settings
        self._metrics = metrics
        self._stopping = stopping
        self._chores = self._usual() if chores is None else chores
        self._owner = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"
        self._next: dict[ChoreName, float] = {}

    async def run(self) -> None:
        """Work until stopped; keep retrying while a server is unavailable."""
        while not self._stopping.is_set():
            self._metrics.turns.turned(Role.MAINTENANCE)
            due = [chore for chore in self._chores if time.monotonic() >= self._next.get(chore.name, 0.0)]
            succeeded = [await self._succeeds(self._do(chore)) for chore in due]
            if all([*succeeded, await self._succeeds(self._tell())]):
                self._metrics.alive(Role.MAINTENANCE)
                self._metrics.turns.begun(Role.MAINTENANCE)
            await self._wait(min(_LOOK_SECONDS, self._settings.maintenance_seconds))

    async def _succeeds(self, work: Awaitable[None]) -> bool:
        """Do work, and return False if a server was unavailable."""
        try:
            await work
        except Exception as error:
            if not is_retryable(error):
                raise
            logger.warning("maintenance_interrupted", error=brief(error))
            return False
        return True

    async def _do(self, chore: Chore) -> None:
        """Do a chore until nothing is left or its turn is over, unless another process does it.

        If it fails, the other chores carry on.
        """
        is_done = is_mine = False
        turn_ends = time.monotonic() + _LOOK_SECONDS
        try:
            while not is_done and not self._stopping.is_set() and time.monotonic() < turn_ends:
                if not (is_mine := await self._take(chore.name)):
                    break
                began = time.monotonic()
                with self._metrics.turns.doing(Role.MAINTENANCE):
                    is_done = not await chore.step()
                self._metrics.alive(Role.MAINTENANCE)
                await self._wait(0.0 if is_done else time.monotonic() - began)
            if is_done or not is_mine:
                self._next[chore.name] = time.monotonic() + self._settings.maintenance_seconds
        except Exception as error:
            # An unavailable archive blocks only its own chore.
            if is_retryable(error) and not isinstance(error, ArchiveUnreachable):
                raise
            logger.exception("chore_failed", chore=chore.name)
            self._metrics.chore_failed(chore.name)
            self._next[chore.name] = time.monotonic() + _AFTER_FAILURE_SECONDS
        finally:
            with contextlib.suppress(Exception):  # the lease expires anyway
                await self._give_up(chore.name, is_done=is_done)

    async def _take(self, chore: ChoreName) -> bool:
        async with self._engine.begin() as connection:
            return await take_chore(connection, chore, self._owner, self._settings.relay_lease_seconds)

    async def _give_up(self, chore: ChoreName, *, is_done: bool) -> None:
        async with self._engine.begin() as connection:
            await give_up_chore(connection, chore, self._owner, is_done=is_done)

    async def _tell(self) -> None:
        async with self._engine.connect() as connection:
            self._metrics.maintained(await chores_done(connection), await positions_left(connection))

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    def _usual(self) -> Sequence[Chore]:
        given = (self._engine, self._settings, self._metrics)
        return (
            Chore(ChoreName.PARTITIONS, self._make_partitions),
            Chore(ChoreName.COMMANDS, ForgettingCommands(*given).step),
            Chore(ChoreName.RECORDS, ForgettingPlaces(*given).step),
            Chore(ChoreName.DEAD_LETTERS, ForgettingLetters(*given).step),
            Chore(ChoreName.ARCHIVE, Archiving(*given).step),
        )

    async def _make_partitions(self) -> bool:
        """Keep the next partition of the log ready, so that no batch has to create it."""
        async with self._engine.begin() as connection:
            await ensure_partitions(connection)
        return False
