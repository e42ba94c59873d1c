"""Working on a replay: one process at a time, by a lease; exactness comes from Kafka.

A producer with the replay's own transactional id fences any predecessor and settles its transaction; only then is the
replay's tally read; then records and the new tally go out in one transaction. Any error in a transaction ends that
producer: the next one reads the tally again.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.archive.reading import History
from db.errors import brief
from db.history import HistoryDamaged
from db.replays import KeptReplay, clock, conclude_replay, find_replay, note_target
from schemas.replays import ReplayState
from schemas.topics import Topic
from workers.publishing.positions import is_retryable
from workers.publishing.producer import SETTLE_SECONDS, Place, TransactionalProducer, producing, transact
from workers.replaying.how_far import HowFar
from workers.replaying.kept import read_tally
from workers.replaying.lease import Halted, Lease
from workers.replaying.packed import Packed
from workers.replaying.reading import selected
from workers.replaying.refusal import ReplayFailed, ReplayTaken
from workers.replaying.tally import Progress, Tally, manifest_of
from workers.replaying.target import create_target, find_target, insist_on_agreement, last_ids
from workers.runtime.archive import archive_of
from workers.runtime.settings import Settings
from workers.topics.cluster import TopicMissing

_RETRY_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 0.5
_TRANSACTION_BYTES = 16 * 1024 * 1024
_TRANSACTIONS_A_SECOND = 4
_PACKED_AT_ONCE = 100
_LOOK_AGAIN_SECONDS, _LOOKS = 0.1, 100

logger = structlog.get_logger()


class Work:
    """Works on one replay until it is done or stopped, or this process is to end.

    `told` is called with the progress: first with the initial one, then after each transaction. `usual_rate` is the
    limit in events per second if the replay sets none; None is unlimited.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        settings: Settings,
        name: str,
        stopping: asyncio.Event,
        told: Callable[[Progress], None] = lambda _: None,
        usual_rate: int | None = None,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._store = archive_of(settings)
        self._name = name
        self._stopping = stopping
        self._told = told
        self._lease = Lease(engine, settings, name, usual_rate)
        self._written = 0
        self._far = HowFar({}, {})
        self._next = 0.0

    @property
    def has_begun(self) -> bool:
        """Whether this process has ever held the lease."""
        return self._lease.was_held

    async def run(self) -> ReplayState:
        """Work, and return the final state. Raises ReplayTaken if another process has the replay, and ReplayFailed.

        A replay that is still running is left to the next process.
        """
        while not self._stopping.is_set():
            try:
                return await self._work()
            except Halted as halted:
                return halted.state
            except (ReplayFailed, HistoryDamaged, TopicMissing) as error:
                await self._lease.fail(str(error))
                raise ReplayFailed(str(error)) from error
            except Exception as error:
                if not is_retryable(error):
                    raise
                if not await self._lease.is_held():
                    raise ReplayTaken(
                        f"Another process took the replay {self._name} over: this one was fenced, and ends."
                    ) from error
                logger.warning("replay_interrupted", replay=self._name, error=brief(error))
            finally:
                await self._lease.give_up()
            await self._wait(_RETRY_SECONDS)
        return ReplayState.RUNNING

    async def _work(self) -> ReplayState:
        await self._lease.take()
        async with self._engine.connect() as connection:
            replay = await find_replay(connection, self._name)
        if replay is None:
            raise ReplayFailed(f"There is no replay {self._name} any more.")
        if replay.target_id is None:
            replay = await self._make_target(replay)
        async with producing(self._settings, transactional_id(self._settings, self._name)) as producer:
            tally = await self._reached(replay)
            if tally.finished_at is None:
                logger.info("replay_goes_on", replay=self._name, records=tally.records)
                async with self._engine.connect() as connection:
                    await connection.execution_options(isolation_level="AUTOCOMMIT")
                    await self._publish(connection, producer, replay, tally)
            if tally.finished_at is None:
                return ReplayState.RUNNING
            await self._until_shown(replay, tally)
        async with self._engine.begin() as connection:
            await conclude_replay(connection, manifest_of(replay, tally, ReplayState.DONE))
        logger.info("replay_done", replay=self._name, records=tally.records)
        return ReplayState.DONE

    async def _make_target(self, replay: KeptReplay) -> KeptReplay:
        found = await create_target(self._settings, replay.target, replay.partitions, replay.selection.topics)
        async with self._engine.begin() as connection:
            await note_target(connection, self._name, found.topic_id)
            return await find_replay(connection, self._name) or replay

    async def _reached(self, replay: KeptReplay) -> Tally:
        """Return the replay's tally. Raises ReplayFailed unless its target agrees."""
        found = await find_target(self._settings, replay.target)
        if found is None or (found.topic_id, found.partitions) != (replay.target_id, replay.partitions):
            raise ReplayFailed(
                f"{replay.target} is not the topic that the replay {self._name} began with: it was deleted, re-created "
                "or given more partitions. Start again under another name."
            )
        tally = await read_tally(self._settings, self._name) or Tally.empty(replay.partitions)
        await insist_on_agreement(self._settings, replay.target, tally.last_ids(self._name))
        self._written = tally.records
        self._far = HowFar(replay.spans, tally.positions)
        self._tell(replay)
        return tally

    async def _until_shown(self, replay: KeptReplay, tally: Tally) -> None:
        """Wait until readers see the markers: a broker acknowledges a commit before its records become visible."""
        for _ in range(_LOOKS):
            shown = await last_ids(self._settings, replay.target, replay.partitions)
            if shown == tally.last_ids(self._name) or self._stopping.is_set():
                return
            await self._wait(_LOOK_AGAIN_SECONDS)
        logger.warning("replay_interrupted", replay=self._name, error="NotShownYet")

    async def _publish(
        self, connection: AsyncConnection, producer: TransactionalProducer, replay: KeptReplay, tally: Tally
    ) -> None:
        """Publish the remaining records and the markers, unless this process is to end."""
        sending: asyncio.Task[None] | None = None
        packed = Packed(producer, replay, tally)
        try:
            history = History(connection, self._store)
            done, alive = dict(tally.positions), partial(self._alive, replay)
            async with aclosing(selected(history, replay, done, self._far.read, alive)) as found:
                async for rows in found:
                    for begin in range(0, len(rows), _PACKED_AT_ONCE):
                        # In small steps, so as not to block a relay in the same process.
                        await asyncio.sleep(0)
                        for row in rows[begin : begin + _PACKED_AT_ONCE]:
                            packed.add(row)
                            if packed.rows < self._rows_at_once() and packed.bytes < _TRANSACTION_BYTES:
                                continue
                            if sending is not None:
                                await sending
                            sending = await self._send(producer, replay, packed)
                            if self._stopping.is_set():
                                return
                            packed = Packed(producer, replay, tally)
            if sending is not None:
                await sending
                sending = None
            await self._renew(replay)
            tally.finished_at = await clock(connection)
            packed.add_markers(self._settings.source)
            await (await self._send(producer, replay, packed))
        except BaseException:
            tally.finished_at = None
            raise
        finally:
            if sending is not None:
                await sending

    async def _send(self, producer: TransactionalProducer, replay: KeptReplay, packed: Packed) -> asyncio.Task[None]:
        """Start sending the packed records, once the rate allows it."""
        while not self._stopping.is_set() and (left := self._next - time.monotonic()) > 0:
            await self._renew_in_time(replay)
            await self._wait(min(left, _LONGEST_WAIT_SECONDS))
        if self._lease.rate:
            # Lost time is not made up for: a rate limit must not be exceeded for a while to catch up.
            self._next = max(self._next, time.monotonic()) + packed.rows / self._lease.rate
        batches = packed.finished(self._settings.topic(Topic.REPLAY_POSITIONS))
        return asyncio.create_task(self._transact(producer, replay, batches, packed))

    async def _transact(
        self, producer: TransactionalProducer, replay: KeptReplay, batches: list[tuple[Place, Any]], packed: Packed
    ) -> None:
        await asyncio.sleep(SETTLE_SECONDS)
        await transact(producer, batches, self._settings.relay_transaction_seconds)
        self._written = packed.written
        self._far.written(packed.places)
        self._tell(replay)

    def _rows_at_once(self) -> int:
        """Return how many rows go into a transaction: a quarter of a second's worth, if the rate is limited."""
        most = self._settings.relay_batch_rows
        return most if self._lease.rate is None else max(1, min(most, self._lease.rate // _TRANSACTIONS_A_SECOND))

    def _tell(self, replay: KeptReplay) -> None:
        self._told(Progress(self._written, self._far.positions, replay.to_look_at))

    async def _alive(self, replay: KeptReplay) -> None:
        """Keep the lease while reading. Raises as `Lease.renew`, and Halted if this process is to end."""
        if self._stopping.is_set():
            raise Halted(ReplayState.RUNNING)
        await self._renew_in_time(replay)

    async def _renew_in_time(self, replay: KeptReplay) -> None:
        if self._lease.is_due:
            await self._renew(replay)

    async def _renew(self, replay: KeptReplay) -> None:
        self._tell(replay)
        await self._lease.renew(self._written, self._far.positions)

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()


def transactional_id(settings: Settings, name: str) -> str:
    """Return the transactional id of a replay: a producer that starts with it fences its predecessors."""
    return f"whopays-replay-{settings.topic_prefix}{settings.installation}-{name}"
