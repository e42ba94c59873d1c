"""A relay: publishes a slot's share of the log to Kafka in order, each event exactly once for read_committed consumers.

A lease keeps one relay at work on a slot at a time, for liveness only. Exactness comes from Kafka: a producer with the
slot's transactional id fences any predecessor and settles its transaction; producers of other numbers of slots are
fenced, too (dividing.py); only then are the positions read; then rows and new positions go out in one transaction. Any
error in a transaction ends that producer: the next one reads the positions again. The relay of slot 0 closes the
shards of all slots.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.errors import brief
from db.leases import give_up_lease, take_lease
from db.log import read
from db.shards import all_heads
from workers.publishing.closing import Closing
from workers.publishing.dividing import CLOSING_SLOT, AnotherNumber, fence_others, slot_of, transactional_id
from workers.publishing.idle import RAISE_SECONDS
from workers.publishing.packing import LogDamaged, Publication, hole, prepare, reached_by
from workers.publishing.positions import BEGINNING, Kept, LastWatermark, Position, asking_ends, is_retryable
from workers.publishing.producer import SETTLE_SECONDS, TransactionalProducer, producing, transact
from workers.publishing.takeover import Bound, bounds, gone_back, take_up
from workers.publishing.telling import Telling
from workers.runtime.settings import Settings

LEAST_SHARES = 4
"""The fewest shares a transaction is divided into, even for one shard: the next events of others wait for all of it."""

TRANSACTION_BYTES = 16 * 1024 * 1024
_RENEW_PRODUCER_SECONDS = 20 * 3600
# The more events arrive, the more are gathered into a transaction, which costs the same for one as for thousands.
_SECONDS_PER_ROW = 0.000_25
_LONGEST_GATHERING_SECONDS = 0.025

logger = structlog.get_logger()


class LeaseLost(Exception):
    """Another relay works on the slot."""


class Relay:
    """Publishes a slot's shards until it is told to stop, loses the slot, or fails. Runs once."""

    def __init__(self, engine: AsyncEngine, settings: Settings, telling: Telling, slot: int, owner: str) -> None:
        self._engine = engine
        self._settings = settings
        self._telling = telling
        self._slot = slot
        self._owner = owner
        self._stopping = asyncio.Event()
        self._woken = asyncio.Event()
        self._committed = 0.0
        self._bound = Bound()

    def stop(self) -> None:
        """Have it stop after the current round."""
        self._stopping.set()

    def wake(self) -> None:
        """Have it read the log at once."""
        self._woken.set()

    async def run(self) -> bool:
        """Publish; return whether a retryable error interrupted it.

        Raises LogDamaged, after which nothing may be published until someone has investigated.
        """
        try:
            await self._work()
        except LogDamaged:
            raise
        except (LeaseLost, AnotherNumber):
            logger.info("relay_lease_lost", slot=self._slot)
        except Exception as error:
            if not is_retryable(error):
                raise
            logger.warning("relay_interrupted", slot=self._slot, error=brief(error))
            self._telling.interrupted()
            return True
        return False

    async def _work(self) -> None:
        number = self._settings.relay_slots
        if not await self._take_lease():
            return
        try:
            at_least = await bounds(self._engine)
            async with producing(self._settings, transactional_id(self._settings, number, self._slot)) as producer:
                await fence_others(self._engine, self._settings, number)
                kept = await take_up(self._engine, self._settings, at_least)
                positions = {shard: at for shard, at in kept.positions.items() if self._is_ours(shard)}
                async with self._closing(kept, producer) as closing, self._engine.connect() as connection:
                    # One connection for all reads, without a transaction around each.
                    await connection.execution_options(isolation_level="AUTOCOMMIT")
                    self._bound.reach(positions)
                    self._telling.began(self._slot)
                    published = sum(at.position for at in positions.values())
                    logger.info("relay_publishes", slot=self._slot, slots=number, published=published)
                    await self._publish(connection, producer, positions, closing)
        finally:
            self._telling.ended(self._slot)
            with contextlib.suppress(Exception):  # the bound only lags more, and the lease expires
                async with self._engine.begin() as connection:
                    await self._bound.note(connection, at_once=True)
                await self._give_up_lease()

    async def _publish(
        self,
        connection: AsyncConnection,
        producer: TransactionalProducer,
        positions: dict[int, Position],
        closing: Closing | None,
    ) -> None:
        renewed = began = time.monotonic()
        ahead: Publication | None = None
        gathered = 0
        while not self._stopping.is_set() and time.monotonic() - began < _RENEW_PRODUCER_SECONDS:
            with self._telling.lap():
                if time.monotonic() - renewed > self._settings.relay_lease_seconds / 3:
                    if not await self._take_lease():
                        raise LeaseLost
                    renewed = time.monotonic()
                if closing is not None:
                    await closing.raise_idle(connection)
                if ahead is None:
                    await self._wait_until(
                        self._committed + min(_LONGEST_GATHERING_SECONDS, gathered * _SECONDS_PER_ROW)
                    )
                    ahead = await self._read(connection, producer, positions, closing)
                publication, ahead = ahead, None
                gathered = publication.rows
                watermark = None if closing is None else await closing.next(connection, producer, positions)
                if publication.rows or watermark is not None:
                    sending = asyncio.create_task(self._transact(producer, publication, closing, watermark))
                    try:
                        positions = {**positions, **publication.reached}
                        if publication.left:
                            # Pack the next rows while Kafka is busy.
                            ahead = await self._read(connection, producer, positions, closing)
                    finally:
                        await sending
                    self._bound.reach(publication.reached)
                    if closing is not None:
                        self._telling.closed(closing.closed_until)
                await self._bound.note(connection)
                await self._telling.published(connection, publication, positions)
            if not publication.left:
                await self._pause(min(self._settings.relay_poll_seconds, RAISE_SECONDS))

    async def _read(
        self,
        connection: AsyncConnection,
        producer: TransactionalProducer,
        positions: dict[int, Position],
        closing: Closing | None,
    ) -> Publication:
        """Return what to publish after these positions."""
        self._woken.clear()
        behind = {}
        left = 0
        heads = await all_heads(connection)
        if closing is not None:
            closing.see(heads)
        for shard, head in heads.items():
            if not self._is_ours(shard):
                continue
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
        closing: Closing | None,
        watermark: LastWatermark | None,
    ) -> None:
        batches = [*publication.batches]
        if closing is not None and watermark is not None:
            batches += closing.batches(producer, watermark)
        await self._wait_until(self._committed + SETTLE_SECONDS)
        began, started_at = time.monotonic(), time.time()
        written = await transact(producer, batches, self._settings.relay_transaction_seconds)
        self._committed = time.monotonic()
        self._telling.transacted(publication, started_at, self._committed - began)
        if closing is not None:
            offsets = [one.offset for one in written[: len(publication.batches)]]
            closing.published(publication.batches, offsets, watermark)

    @contextlib.asynccontextmanager
    async def _closing(self, kept: Kept, producer: TransactionalProducer) -> AsyncIterator[Closing | None]:
        if self._slot != CLOSING_SLOT:
            yield None
            return
        async with asking_ends(self._settings) as ends:
            # Includes the predecessor's last events, now that it is fenced.
            yield await Closing.of(self._engine, self._settings, kept, producer, ends)

    def _is_ours(self, shard: int) -> bool:
        return slot_of(shard, self._settings.relay_slots) == self._slot

    async def _take_lease(self) -> bool:
        settings = self._settings
        async with self._engine.begin() as connection:
            return await take_lease(
                connection, settings.relay_slots, self._slot, self._owner, settings.relay_lease_seconds
            )

    async def _give_up_lease(self) -> None:
        async with self._engine.begin() as connection:
            await give_up_lease(connection, self._slot, self._owner)

    async def _pause(self, seconds: float) -> None:
        waiters = [asyncio.create_task(one.wait()) for one in (self._stopping, self._woken)]
        await asyncio.wait(waiters, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for waiter in waiters:
            waiter.cancel()
