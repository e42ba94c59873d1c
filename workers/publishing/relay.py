"""The relay: publishes the log to Kafka, each event once for readers of committed records, in the order of the log.

One relay works on the slot at a time, by a lease (for liveness). What makes it exact is Kafka: a producer with the
slot's transactional id fences and settles any predecessor; only then the positions are read; then rows and new
positions go out in one transaction. Whatever goes wrong in a transaction ends that producer: the next one reads the
positions again.
"""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable
from uuid import uuid4

import asyncpg
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.engine import listening_connection
from db.leases import give_up_lease, take_lease
from db.log import read
from db.published import unpublished
from db.shards import NOTIFY_CHANNEL, all_heads
from db.watching import unpublished_age
from schemas.topics import Topic
from workers.publishing.idle import RAISE_SECONDS, IdleShards
from workers.publishing.packing import LogDamaged, Publication, hole, prepare, reached_by
from workers.publishing.positions import BEGINNING, LastWatermark, Position, is_retryable, read_ends
from workers.publishing.producer import SETTLE_SECONDS, TransactionalProducer, producing, transact
from workers.publishing.takeover import Bound, bounds, gone_back, take_up
from workers.publishing.watermarks import Watermarks
from workers.runtime.looking import AgeLook
from workers.runtime.metrics import Exemplar, Metrics
from workers.runtime.roles import Role
from workers.runtime.settings import Settings

LEAST_SHARES = 4
"""A shard gets no more than this part of a transaction, even alone: what others say next waits for all of it."""

_SLOT = 0
_RETRY_SECONDS = 0.5
TRANSACTION_BYTES = 16 * 1024 * 1024
_RENEW_PRODUCER_SECONDS = 20 * 3600
# The more events arrive, the more share a transaction, which costs the same for one as for thousands.
_SECONDS_PER_ROW = 0.000_25
_LONGEST_GATHERING_SECONDS = 0.025

Trace = Callable[[Publication, float, float], Exemplar | None]
"""Records a committed transaction, with when it began and ended in Unix time, and returns the exemplar for its metrics;
None if it is not recorded."""

logger = structlog.get_logger()


class LeaseLost(Exception):
    """Another relay works on the slot."""


class Relay:
    """Publishes the log until it is told to stop."""

    def __init__(
        self,
        engine: AsyncEngine,
        settings: Settings,
        metrics: Metrics,
        stopping: asyncio.Event,
        trace: Trace | None = None,
    ) -> None:
        """`trace` records what was committed, where anything is traced."""
        self._engine = engine
        self._trace = trace
        self._settings = settings
        self._metrics = metrics
        self._stopping = stopping
        self._woken = asyncio.Event()
        self._committed = 0.0
        self._age = AgeLook(metrics)
        self._bound = Bound()
        self._owner = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"

    async def run(self) -> None:
        """Publish until stopped. Raises LogDamaged: nothing may be published then until someone has looked into it."""
        listening = asyncio.create_task(self._listen())
        try:
            while not self._stopping.is_set():
                self._metrics.turns.turned(Role.RELAY)
                try:
                    await self._work()
                except LogDamaged:
                    raise
                except LeaseLost:
                    logger.info("relay_lease_lost", slot=_SLOT)
                except Exception as error:
                    if not is_retryable(error):
                        raise
                    logger.warning("relay_interrupted", error=type(error).__name__)
                    self._metrics.relay_interrupted()
                await self._pause(_RETRY_SECONDS)
        finally:
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening

    async def _work(self) -> None:
        if not await self._take_lease():
            await self._watch_the_other()
            return
        try:
            at_least = await bounds(self._engine)
            async with producing(self._settings, transactional_id(self._settings)) as producer:
                kept = await take_up(self._engine, self._settings, at_least)
                # Also where the predecessor's last events stand, now that it is fenced.
                watermarks = Watermarks(self._settings, kept, await self._ends(producer))
                self._bound.reach(kept.positions)
                published = sum(at.position for at in kept.positions.values())
                self._metrics.relaying(is_active=True)
                logger.info("relay_publishes", slot=_SLOT, published=published)
                async with self._engine.connect() as connection:
                    # One connection for all reading, and no transaction around each.
                    await connection.execution_options(isolation_level="AUTOCOMMIT")
                    await self._publish(connection, producer, kept.positions, watermarks)
        finally:
            self._metrics.relaying(is_active=False)
            with contextlib.suppress(Exception):  # the bound only becomes less sharp, and the lease runs out by itself
                async with self._engine.begin() as connection:
                    await self._bound.note(connection, at_once=True)
                await self._give_up_lease()

    async def _watch_the_other(self) -> None:
        self._metrics.relaying(is_active=False)
        async with self._engine.connect() as connection:
            left, age = await unpublished(connection), await unpublished_age(connection)
        self._metrics.published(0, left)
        self._metrics.oldest_unpublished(time.time() - age if left else None)
        self._metrics.turns.begun(Role.RELAY)
        self._metrics.alive(Role.RELAY)

    async def _publish(
        self,
        connection: AsyncConnection,
        producer: TransactionalProducer,
        positions: dict[int, Position],
        watermarks: Watermarks,
    ) -> None:
        renewed = began = time.monotonic()
        idle = IdleShards(self._engine)
        ahead: Publication | None = None
        gathered = 0
        while not self._stopping.is_set() and time.monotonic() - began < _RENEW_PRODUCER_SECONDS:
            if time.monotonic() - renewed > self._settings.relay_lease_seconds / 3:
                if not await self._take_lease():
                    raise LeaseLost
                renewed = time.monotonic()
            await idle.raise_them(connection)
            if ahead is None:
                await self._wait_until(self._committed + min(_LONGEST_GATHERING_SECONDS, gathered * _SECONDS_PER_ROW))
                ahead = await self._read(connection, producer, positions, watermarks)
            publication, ahead = ahead, None
            gathered = publication.rows
            watermarks.count(positions)
            watermark = await watermarks.next(producer) if watermarks.is_due() else None
            if publication.rows or watermark is not None:
                sending = asyncio.create_task(self._transact(producer, publication, watermarks, watermark))
                try:
                    positions = {**positions, **publication.reached}
                    if publication.left:
                        # What comes next is packed while Kafka is busy.
                        ahead = await self._read(connection, producer, positions, watermarks)
                finally:
                    await sending
                self._bound.reach(publication.reached)
                self._metrics.closed(watermarks.closed_until)
            await self._bound.note(connection)
            self._metrics.published(publication.rows, publication.left)
            await self._age.look(connection, {shard: at.position for shard, at in positions.items()}, publication.left)
            self._metrics.alive(Role.RELAY)
            self._metrics.turns.turned(Role.RELAY)
            self._metrics.turns.begun(Role.RELAY)
            if not publication.left:
                await self._pause(min(self._settings.relay_poll_seconds, RAISE_SECONDS), wakeable=True)

    async def _read(
        self,
        connection: AsyncConnection,
        producer: TransactionalProducer,
        positions: dict[int, Position],
        watermarks: Watermarks,
    ) -> Publication:
        """Return what to publish after these positions."""
        self._woken.clear()
        behind = {}
        left = 0
        heads = await all_heads(connection)
        watermarks.see(heads)
        for shard, head in heads.items():
            published = positions.get(shard, BEGINNING).position
            if head.position < published:
                raise gone_back(shard, head.position, published)
            if head.position > published:
                behind[shard] = published
                left += head.position - published
        if not behind:
            return Publication([], {}, 0, 0)
        shares = max(len(behind), LEAST_SHARES)
        share = max(1, self._settings.relay_batch_rows // shares)
        rows = await read(connection, behind, share, TRANSACTION_BYTES // shares)
        for shard in behind.keys() - {row.shard for row in rows}:
            raise hole(shard, behind[shard])
        reached = reached_by(rows, positions)
        async with asyncio.timeout(self._settings.relay_transaction_seconds):
            return await prepare(producer, self._settings, rows, reached, left - len(rows))

    async def _wait_until(self, moment: float) -> None:
        await asyncio.sleep(max(0.0, moment - time.monotonic()))

    async def _transact(
        self,
        producer: TransactionalProducer,
        publication: Publication,
        watermarks: Watermarks,
        watermark: LastWatermark | None,
    ) -> None:
        batches = [*publication.batches, *(watermarks.batches(producer, watermark) if watermark else ())]
        await self._wait_until(self._committed + SETTLE_SECONDS)
        began, started_at = time.monotonic(), time.time()
        written = await transact(producer, batches, self._settings.relay_transaction_seconds)
        self._committed = time.monotonic()
        seconds = self._committed - began
        exemplar = None if self._trace is None else self._trace(publication, started_at, started_at + seconds)
        self._metrics.transacted(publication.rows, seconds, exemplar)
        if watermark is not None:
            watermarks.written(watermark)
        watermarks.published(publication.batches, [one.offset for one in written[: len(publication.batches)]])

    async def _ends(self, producer: TransactionalProducer) -> tuple[int, ...]:
        bindings = self._settings.topic(Topic.BINDINGS)
        return await read_ends(self._settings, bindings, len(await producer.partitions_for(bindings)))

    async def _take_lease(self) -> bool:
        async with self._engine.begin() as connection:
            return await take_lease(connection, _SLOT, self._owner, self._settings.relay_lease_seconds)

    async def _give_up_lease(self) -> None:
        async with self._engine.begin() as connection:
            await give_up_lease(connection, _SLOT, self._owner)

    async def _listen(self) -> None:
        """Be woken by each commit; without that the relay polls, only less often."""
        while True:
            try:
                async with listening_connection(self._settings.database_url) as connection:
                    await self._be_woken_by(connection)
            except Exception as error:  # noqa: BLE001 (being woken is a convenience: polling goes on)
                logger.info("relay_not_notified", error=type(error).__name__)
            await asyncio.sleep(_RETRY_SECONDS)

    async def _be_woken_by(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        closed = asyncio.Event()
        connection.add_termination_listener(lambda _: closed.set())
        await connection.add_listener(NOTIFY_CHANNEL, lambda *_: self._woken.set())
        await closed.wait()

    async def _pause(self, seconds: float, *, wakeable: bool = False) -> None:
        waiters = [asyncio.create_task(self._stopping.wait())]
        if wakeable:
            waiters.append(asyncio.create_task(self._woken.wait()))
        await asyncio.wait(waiters, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for waiter in waiters:
            waiter.cancel()


def transactional_id(settings: Settings) -> str:
    """Return the name under which one relay at a time writes to Kafka: whoever starts with it fences the others."""
    return f"whopays-relay-{settings.topic_prefix}{settings.installation}-{_SLOT}"
