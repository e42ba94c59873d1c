"""One batch, one transaction: read the records, lock, load, decide, store, append, commit.

A transient failure is retried for as long as it lasts. A faulty record is found by bisecting the batch: it becomes a
dead letter, and the others are decided.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial

import structlog
from aiokafka import TopicPartition
from sqlalchemy.ext.asyncio import AsyncEngine

from db.errors import brief, is_transient, is_wrong_schema
from db.load import load
from db.log import PARTITION_POSITIONS, append, chain_rows, ensure_partitions
from db.memory import Memory
from db.reading_positions import ReadingWentBack
from db.sealing import KeyEncryption
from db.shards import lock_shards, move_heads
from db.store import store, store_claims, store_dead_letters, store_handled
from domain.decision import Clock
from domain.fold import fold
from domain.gathering import needs_of
from domain.messages import Due, Folded, Message
from schemas.records import Record
from workers.batches.asking import Askers, Verify
from workers.batches.closed import ClosedTime, UnknownServer
from workers.batches.messages import (
    Reader,
    dead_letter_for,
    is_keyed_otherwise,
    message_of,
    place_of,
    trail_of_message,
)
from workers.batches.parts import parts_of
from workers.batches.progress import Progress, noting
from workers.publishing import positions
from workers.publishing.packing import LogDamaged
from workers.publishing.positions import Kept, is_retryable
from workers.runtime.delays import delays
from workers.runtime.metric import Step
from workers.runtime.metrics import Exemplar, Metrics
from workers.runtime.roles import Role
from workers.runtime.settings import Settings
from workers.runtime.steps import StepClock, begun

_FIRST_DELAY_SECONDS = 0.1
_LONGEST_DELAY_SECONDS = 10.0
_WARY_BATCHES = 12
"""How many batches look up claimed ids, at the start and after each batch that found some.

Other batches assume that all ids are new; a failure of such a batch counts only if it recurs with ids looked up.
"""

logger = structlog.get_logger()


Trace = Callable[[Role, Sequence[Message], Folded, StepClock], Exemplar | None]
"""Records the spans of a committed batch, and returns the exemplar for its metrics; None if it is not recorded."""


class Stopping(Exception):
    """The process is stopping: the batch is abandoned unacknowledged, and will be read again."""


class Batches:
    """Decides batches of records, each in one transaction."""

    def __init__(
        self,
        engine: AsyncEngine,
        settings: Settings,
        keys: KeyEncryption,
        metrics: Metrics,
        stopping: asyncio.Event,
        read_kept: Callable[[], Awaitable[Kept]] | None = None,
        verify: Verify | None = None,
        trace: Trace | None = None,
    ) -> None:
        """`read_kept` replaces reading the relay's positions from Kafka.

        Without `verify` tokens are not checked; without `trace` nothing is traced.
        """
        self._engine = engine
        self._keys = keys
        self._settings = settings
        self._metrics = metrics
        self._stopping = stopping
        self._trace = trace
        self._policy = settings.policy()
        self._askers = Askers(engine, keys, verify, stopping)
        self._closed_time = ClosedTime(engine, read_kept or partial(positions.read_kept, settings))
        self._memory = Memory(settings.remembered_records, self._shard)
        metrics.watch_memory(self._memory)
        # Records may have been decided before: by a process that was killed, or before a rebalance.
        self._wary_batches = _WARY_BATCHES
        self._partition_in_use = 0
        self._partition_ensured = -1

    async def process(
        self,
        role: Role,
        records: Sequence[Record],
        reader: Reader,
        progress: Mapping[TopicPartition, Progress] | None = None,
    ) -> None:
        """Return once everything that follows from the records is durable.

        `progress` is that of their partitions, and advances; without it, positions are not stored. Raises Stopping if
        the process is to stop first, ReadingWentBack if the database's positions are behind, LogDamaged if its log went
        back, and the database's error if its tables are not those of this version: then nothing may be acknowledged.
        """
        clock = StepClock()
        is_private, most_bytes = role is Role.ADMIN_COMMANDS, self._settings.max_value_bytes
        with clock(Step.VERIFY):
            checked = await self._askers.of(records) if is_private else {}
        if checked is None:
            raise Stopping
        with clock(Step.READ):
            messages = [
                message_of(record, reader, most_bytes, is_private=is_private, checked=checked.get(record.place))
                for record in records
            ]
        for part in parts_of(messages):
            await self._process(role, part, clock, progress or {})

    async def process_due(self, dues: Sequence[Due]) -> list[Due]:
        """Do what is due, and return the items that failed because of a fault. Raises like `process`."""
        return await self._process(Role.TIMERS, list(dues), StepClock(), {})

    async def _process(
        self,
        role: Role,
        messages: list[Message],
        clock: StepClock,
        progress: Mapping[TopicPartition, Progress],
        *,
        is_last: bool = False,
    ) -> list[Due]:
        """Return due items that have a fault; faulty records have become dead letters."""
        try:
            folded = await self._persist(role, messages, progress, clock)
        except Stopping:
            raise
        except Exception as fault:
            if is_last or is_wrong_schema(fault) or isinstance(fault, ReadingWentBack | LogDamaged):
                raise
            logger.exception("batch_faulty", role=role, records=len(messages), first=place_of(messages[0]))
            if len(messages) == 1:
                if isinstance(messages[0], Due):
                    return [messages[0]]
                letter = dead_letter_for(messages[0], fault, role)
                return await self._process(role, [letter], clock, progress, is_last=True)
            middle = len(messages) // 2
            first = await self._process(role, messages[:middle], clock, progress)
            return first + await self._process(role, messages[middle:], clock, progress)
        exemplar = None if self._trace is None else self._trace(role, messages, folded, clock)
        self._metrics.decided(role, len(messages), folded, sum(map(is_keyed_otherwise, messages)), clock, exemplar)
        said = (message for message in messages if not isinstance(message, Due))
        self._metrics.ignored(name for message in said for name in trail_of_message(message).ignored)
        return []

    async def _persist(
        self, role: Role, messages: list[Message], progress: Mapping[TopicPartition, Progress], clock: StepClock
    ) -> Folded:
        waits = delays(_FIRST_DELAY_SECONDS, _LONGEST_DELAY_SECONDS)
        while True:
            if self._stopping.is_set():
                raise Stopping
            is_wary = self._wary_batches > 0
            try:
                with self._metrics.turns.doing(role):
                    return await self._transaction(messages, progress, clock, is_wary=is_wary)
            except UnknownServer as unknown:
                await self._hold(role, unknown.server)
                continue
            except Exception as error:
                if not is_transient(error):
                    if is_wary:
                        raise
                    # A command that was answered before fails when it is taken for new: on its id, if on nothing else.
                    self._wary_batches = _WARY_BATCHES
                    continue
                delay = next(waits)
                logger.warning("batch_retried", records=len(messages), error=brief(error), delay_seconds=delay)
                self._metrics.retried()
            await self._wait(delay * random.uniform(0.5, 1.5))  # noqa: S311 (jitter is no secret)

    async def _hold(self, role: Role, server: str) -> None:
        """Raise the shards' clocks beyond the last watermark, retrying until the database and Kafka are available."""
        waits = delays(_FIRST_DELAY_SECONDS, _LONGEST_DELAY_SECONDS)
        while not self._stopping.is_set():
            self._metrics.turns.turned(role)
            try:
                await self._closed_time.hold(server)
            except Exception as error:
                if not is_retryable(error):
                    raise
                delay = next(waits)
                logger.warning("batch_retried", records=0, error=brief(error), delay_seconds=delay)
                self._metrics.retried()
            else:
                return
            await self._wait(delay)

    async def _transaction(
        self, messages: list[Message], progress: Mapping[TopicPartition, Progress], timed: StepClock, *, is_wary: bool
    ) -> Folded:
        with timed(Step.READ):
            needs = needs_of(messages)
        await self._ensure_partition()
        async with AsyncExitStack() as committed, begun(self._engine, timed) as connection:
            self._closed_time.insist(connection)
            with timed(Step.LOCK):
                heads, now = await lock_shards(connection, {self._shard(boundary) for boundary in needs.boundaries})
            with timed(Step.LOAD):
                entered = self._memory.enter(heads)
                known = await load(connection, needs, self._keys, self._memory, now=now, ask_for_claims=is_wary)
            were_claimed = bool(known.answered.fingerprints)
            with timed(Step.DECIDE):
                fresh = [message for message in messages if place_of(message) not in known.handled]
                clock = Clock(now)
                folded = fold(fresh, known.book, known.answered, self._policy, clock)
            await asyncio.sleep(0)  # let another lane send its next statement before we render events
            with timed(Step.APPEND):
                outgoing = [(self._shard(event.boundary), event) for event in folded.outgoing]
                rows, moved = chain_rows(heads, outgoing, self._settings.source, max(clock.last, now))
            with timed(Step.STORE):
                claims = [
                    (claim, folded.result_of(claim), *rows[claim.result_index][:2]) for claim in folded.claims.values()
                ]
                await store_claims(connection, claims)
                await store(connection, known.book, self._keys, rows)
            with timed(Step.APPEND):
                await append(connection, rows)
            with timed(Step.STORE):
                await store_handled(connection, folded.unclaimed)
                letters = [(dead, rows[index]) for index, dead in folded.dead.items()]
                await store_dead_letters(connection, letters, known.origins, self._keys)
            with timed(Step.COMMIT):
                spans = await committed.enter_async_context(noting(progress, messages))
                await move_heads(connection, moved, spans)
        self._memory.leave(entered, moved, known.whole, known.book)
        if is_wary:
            self._wary_batches = _WARY_BATCHES if were_claimed else self._wary_batches - 1
        highest = max(head.position for head in moved.values())
        self._partition_in_use = max(self._partition_in_use, highest // PARTITION_POSITIONS)
        return folded

    async def _ensure_partition(self) -> None:
        """Keep a partition of the log ahead of the one in use, in a separate transaction."""
        if self._partition_in_use > self._partition_ensured:
            async with self._engine.begin() as connection:
                await ensure_partitions(connection)
            self._partition_ensured = self._partition_in_use

    def _shard(self, boundary: str) -> int:
        return self._settings.shard_of(boundary)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass
