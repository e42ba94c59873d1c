"""The relay role: a process takes its share of the slots, including those that other processes left."""

import asyncio
import contextlib
import os
import socket
import time
from uuid import uuid4

import asyncpg
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import listening_connection
from db.errors import brief
from db.shards import NOTIFY_CHANNEL
from db.slots import Sharing, agree, leave, share_out
from workers.publishing.positions import is_retryable
from workers.publishing.relay import Relay
from workers.publishing.telling import Telling, Trace
from workers.runtime.metrics import Metrics
from workers.runtime.roles import Role
from workers.runtime.settings import Settings

_RETRY_SECONDS = 0.5
_LOOK_SECONDS = 1.0
_WARN_AGAIN_SECONDS = 60.0
_RESTING_LEASES = 6
"""For how many leases an interrupted process leaves its share to the others: it may be unable to reach Kafka."""

logger = structlog.get_logger()


class Slots:
    """Runs a relay for each slot of this process, until told to stop."""

    def __init__(
        self,
        engine: AsyncEngine,
        settings: Settings,
        metrics: Metrics,
        stopping: asyncio.Event,
        trace: Trace | None = None,
    ) -> None:
        """`trace` records committed transactions; None if nothing is traced."""
        self._engine = engine
        self._settings = settings
        self._metrics = metrics
        self._stopping = stopping
        self._telling = Telling(settings, metrics, trace)
        self._owner = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"
        self._relays: dict[int, Relay] = {}
        self._work: dict[int, asyncio.Task[bool]] = {}
        self._rests_until = 0.0
        self._warned_at = -_WARN_AGAIN_SECONDS

    async def run(self) -> None:
        """Publish until stopped. Raises LogDamaged: then nothing may be published until someone has investigated."""
        listening = asyncio.create_task(self._listen())
        try:
            while not self._stopping.is_set():
                self._metrics.turns.turned(Role.RELAY)
                has_share = False
                try:
                    has_share = await self._take_share()
                    await self._telling.look(self._engine)
                except Exception as error:
                    if not is_retryable(error):
                        raise
                    logger.warning("relay_interrupted", error=brief(error))
                    self._telling.interrupted()
                await self._pause(self._look_seconds() if has_share else _RETRY_SECONDS)
                if self._reap():
                    await self._pause(_RETRY_SECONDS)
        finally:
            await self._end()
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening

    async def _take_share(self) -> bool:
        """Start on free slots, and give up any beyond the share; return whether this process now has its share."""
        sharing = await self._sharing()
        if sharing is None:
            return False
        wanted = [slot for slot in sharing.free if slot not in self._work]
        for slot in wanted[: max(0, sharing.share - len(self._work))]:
            self._relays[slot] = Relay(self._engine, self._settings, self._telling, slot, self._owner)
            self._work[slot] = asyncio.create_task(self._relays[slot].run())
        for slot in sorted(self._work)[sharing.share :]:
            self._relays[slot].stop()
        return len(self._work) == sharing.share

    async def _sharing(self) -> Sharing | None:
        number, seconds = self._settings.relay_slots, self._settings.relay_lease_seconds
        async with self._engine.begin() as connection:
            if await agree(connection, number, seconds):
                counts = time.monotonic() >= self._rests_until
                return await share_out(connection, self._owner, seconds, counts=counts)
        if time.monotonic() - self._warned_at >= _WARN_AGAIN_SECONDS:
            self._warned_at = time.monotonic()
            logger.warning("relay_slots_differ", slots=number)
        return None

    def _look_seconds(self) -> float:
        return min(_LOOK_SECONDS, self._settings.relay_lease_seconds / 3)

    def _reap(self) -> bool:
        """Forget relays that have ended, raising what they raised; return whether there were any."""
        ended = [slot for slot, work in self._work.items() if work.done()]
        for slot in ended:
            del self._relays[slot]
            if self._work.pop(slot).result():
                self._rests_until = time.monotonic() + _RESTING_LEASES * self._settings.relay_lease_seconds
        return bool(ended)

    async def _end(self) -> None:
        for relay in self._relays.values():
            relay.stop()
        work = list(self._work.values())
        if work:
            await asyncio.wait(work, timeout=self._settings.stop_seconds)
            for one in work:
                one.cancel()
            await asyncio.gather(*work, return_exceptions=True)
        with contextlib.suppress(Exception):  # its entry expires anyway
            async with self._engine.begin() as connection:
                await leave(connection, self._owner)

    async def _listen(self) -> None:
        """Have each commit wake the relays, which otherwise only poll."""
        while True:
            try:
                async with listening_connection(self._settings.database_url) as connection:
                    await self._be_woken_by(connection)
            except Exception as error:  # noqa: BLE001 (notifications are optional: the relays also poll)
                logger.info("relay_not_notified", error=brief(error))
            await asyncio.sleep(_RETRY_SECONDS)

    async def _be_woken_by(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        closed = asyncio.Event()
        connection.add_termination_listener(lambda _: closed.set())
        await connection.add_listener(NOTIFY_CHANNEL, lambda *_: self._wake())
        await closed.wait()

    def _wake(self) -> None:
        for relay in self._relays.values():
            relay.wake()

    async def _pause(self, seconds: float) -> None:
        """Wait `seconds`, or until a relay has ended or all are to stop."""
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait([stopping, *self._work.values()], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
