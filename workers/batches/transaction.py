"""One batch, one transaction: read the records, lock, load, decide, store, append, commit.

A transient failure is tried again for as long as it lasts. A fault of one record is found by halving the batch: the
others go on, and the one becomes a dead letter.
"""

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import structlog
from aiokafka import TopicPartition
from sqlalchemy.ext.asyncio import AsyncEngine

from db.errors import is_transient, is_wrong_schema
from db.load import load
from db.log import PARTITION_POSITIONS, EventTooLarge, append, chain_rows, ensure_partitions
from db.memory import Memory
from db.reading_positions import ReadingWentBack
from db.sealing import KeyEncryption
from db.shards import lock_shards, move_heads, shard_of
from db.store import store, store_claims, store_dead_letters, store_handled
from domain.dead_letters import Dead
from domain.decision import Clock
from domain.fold import fold
from domain.gathering import needs_of
from domain.messages import Due, Folded, Message
from schemas.envelope import Trail, trail_of
from schemas.parsing import CommandMessage, FactMessage
from schemas.records import DeadLetterReason, Record, Unanswerable
from workers.batches.parts import parts_of, spans_of
from workers.runtime.metrics import Metrics
from workers.runtime.roles import Role
from workers.runtime.settings import Settings

_FIRST_DELAY_SECONDS = 0.1
_LONGEST_DELAY_SECONDS = 10.0
_WARY_BATCHES = 12
"""How many batches in a row look claimed ids up, before and after one had some.

Others take the ids for new, and whatever goes wrong with them is believed only once they were looked up.
"""

Reader = Callable[[Record], CommandMessage | FactMessage]

logger = structlog.get_logger()


class Stopping(Exception):
    """The process is stopping: the batch is given up unacknowledged, and will be read again."""


class Batches:
    """Decides batches of records, each in one transaction."""

    def __init__(
        self,
        engine: AsyncEngine,
        settings: Settings,
        keys: KeyEncryption,
        metrics: Metrics,
        stopping: asyncio.Event,
    ) -> None:
        self._engine = engine
        self._keys = keys
        self._settings = settings
        self._metrics = metrics
        self._stopping = stopping
        self._policy = settings.policy()
        self._memory = Memory(settings.remembered_records, self._shard)
        # Records may have been read before: by a process that was killed, or before a rebalance.
        self._wary_batches = _WARY_BATCHES
        self._partition_in_use = 0
        self._partition_ensured = -1

    async def process(
        self,
        role: Role,
        records: Sequence[Record],
        reader: Reader,
        since: Mapping[TopicPartition, int] | None = None,
    ) -> None:
        """Return once all that follows from the records is durable.

        `since` is how far their partitions were read before; of others it is not noted. Raises Stopping when the
        process is to stop first, ReadingWentBack when the database knows of less, and the database's error when its
        tables are not those of this version: in all cases nothing may be acknowledged.
        """
        began = time.monotonic()
        is_private, most_bytes = role is Role.ADMIN_COMMANDS, self._settings.max_value_bytes
        messages = [_message(record, reader, most_bytes, is_private=is_private) for record in records]
        reached = dict(since or {})
        for part in parts_of(messages):
            await self._process(role, part, began, reached)

    async def process_due(self, dues: Sequence[Due]) -> list[Due]:
        """Return once what is due has been done; give what could not be, because of a fault. Raises as `process`."""
        return await self._process(Role.TIMERS, list(dues), time.monotonic(), {})

    async def _process(
        self,
        role: Role,
        messages: list[Message],
        began: float,
        reached: dict[TopicPartition, int],
        *,
        is_last: bool = False,
    ) -> list[Due]:
        """Return what is due that has a fault; a record with one has become a dead letter. Moves `reached` on."""
        try:
            folded = await self._persist(messages, reached)
        except Stopping:
            raise
        except Exception as fault:
            if is_last or is_wrong_schema(fault) or isinstance(fault, ReadingWentBack):
                raise
            logger.exception("batch_faulty", role=role, records=len(messages), first=_place(messages[0]))
            if len(messages) == 1:
                if isinstance(messages[0], Due):
                    return [messages[0]]
                return await self._process(role, [_faulty(messages[0], fault, role)], began, reached, is_last=True)
            middle = len(messages) // 2
            first = await self._process(role, messages[:middle], began, reached)
            return first + await self._process(role, messages[middle:], began, reached)
        self._metrics.decided(role, folded, sum(map(_is_keyed_otherwise, messages)), time.monotonic() - began)
        said = (message for message in messages if not isinstance(message, Due))
        self._metrics.ignored(name for message in said for name in _trail(message).ignored)
        return []

    async def _persist(self, messages: list[Message], reached: dict[TopicPartition, int]) -> Folded:
        delay = _FIRST_DELAY_SECONDS
        while True:
            if self._stopping.is_set():
                raise Stopping
            is_wary = self._wary_batches > 0
            try:
                return await self._transaction(messages, reached, is_wary=is_wary)
            except Exception as error:
                if not is_transient(error):
                    if is_wary:
                        raise
                    # A command that was answered before fails when it is judged as new: on its id, if on nothing else.
                    self._wary_batches = _WARY_BATCHES
                    continue
                logger.warning("batch_retried", records=len(messages), error=_brief(error), delay_seconds=delay)
                self._metrics.retried()
            await self._wait(delay * random.uniform(0.5, 1.5))  # noqa: S311 (jitter is no secret)
            delay = min(delay * 2, _LONGEST_DELAY_SECONDS)

    async def _transaction(
        self, messages: list[Message], reached: dict[TopicPartition, int], *, is_wary: bool
    ) -> Folded:
        needs = needs_of(messages)
        spans = spans_of(messages, reached)
        await self._ensure_partition()
        async with self._engine.begin() as connection:
            heads, now = await lock_shards(connection, {self._shard(boundary) for boundary in needs.boundaries})
            entered = self._memory.enter(heads)
            known = await load(connection, needs, self._keys, self._memory, ask_for_claims=is_wary)
            were_claimed = bool(known.answered.fingerprints)
            fresh = [message for message in messages if _place(message) not in known.handled]
            clock = Clock(now)
            folded = fold(fresh, known.book, known.answered, self._policy, clock)
            await asyncio.sleep(0)  # another lane's next statement need not wait for the rendering, too
            outgoing = [(self._shard(event.boundary), event) for event in folded.outgoing]
            rows, moved = chain_rows(heads, outgoing, self._settings.source, max(clock.last, now))
            claims = [(claim, *rows[claim.result_index][:2]) for claim in folded.claims.values()]
            await store_claims(connection, claims)
            await store(connection, known.book, self._keys)
            await append(connection, rows)
            await store_handled(connection, folded.unclaimed)
            await store_dead_letters(connection, folded.dead, now, self._keys)
            await move_heads(connection, moved, spans)
        for span in spans:
            partition = TopicPartition(span.topic, span.partition)
            reached[partition] = max(reached[partition], span.until)
        self._memory.leave(entered, moved, known.whole, known.book)
        if is_wary:
            self._wary_batches = _WARY_BATCHES if were_claimed else self._wary_batches - 1
        highest = max(head.position for head in moved.values())
        self._partition_in_use = max(self._partition_in_use, highest // PARTITION_POSITIONS)
        return folded

    async def _ensure_partition(self) -> None:
        """Keep a partition of the log ahead of the one in use, in a transaction of its own."""
        if self._partition_in_use > self._partition_ensured:
            async with self._engine.begin() as connection:
                await ensure_partitions(connection)
            self._partition_ensured = self._partition_in_use

    def _shard(self, boundary: str) -> int:
        return shard_of(boundary, self._settings.shards)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass


def _message(record: Record, reader: Reader, max_value_bytes: int, *, is_private: bool) -> Message:
    boundary = f"{record.topic}/{record.partition}"
    try:
        return reader(record)
    except Unanswerable as refusal:
        return Dead(record, refusal.reason, refusal.detail, is_private, boundary, trail_of(record, max_value_bytes))
    except Exception as fault:
        logger.exception("record_faulty", place=record.place)
        return Dead(record, DeadLetterReason.HANDLER_FAULT, _brief(fault), is_private, boundary)


def _faulty(message: CommandMessage | FactMessage | Dead, fault: Exception, role: Role) -> Dead:
    record, reason = message.record, DeadLetterReason.HANDLER_FAULT
    if isinstance(fault, EventTooLarge):
        # What would be told of it is too much to tell: only key and headers are repeated whole.
        record, reason = replace(record, key=None, headers=()), DeadLetterReason.TOO_LARGE
    boundary = _organization(message) or f"{record.topic}/{record.partition}"
    return Dead(record, reason, _brief(fault), role is Role.ADMIN_COMMANDS, boundary, _trail(message))


def _trail(message: CommandMessage | FactMessage | Dead) -> Trail:
    return message.trail if isinstance(message, Dead) else message.event.trail


def _is_keyed_otherwise(message: Message) -> bool:
    if isinstance(message, Dead | Due):
        return False
    return message.record.key != (_organization(message) or "").encode()


def _organization(message: Message) -> str | None:
    match message:
        case CommandMessage():
            return message.organization
        case FactMessage():
            return message.fact.organization
        case Dead() | Due():
            return None


def _place(message: Message) -> str:
    return f"{message.kind}/{message.organization}/{message.name}" if isinstance(message, Due) else message.record.place


def _brief(error: BaseException) -> str:
    """Name an error without its text, which may quote what was sent."""
    cause = getattr(error, "orig", None) or error
    state = getattr(cause, "sqlstate", None)
    return f"{type(cause).__name__} {state}" if state else type(cause).__name__
