"""Puts the records of dead letters back on their topics. Independent of the terminal.

Records of one organization are sent in their original order, each after the broker has acknowledged the one before. If
one cannot be sent, the later ones of its organization are held back, since they must not overtake it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from uuid import UUID

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidTimestampError,
    MessageSizeTooLargeError,
    PolicyViolationError,
    RecordListTooLargeError,
)
from aiokafka.structs import RecordMetadata
from sqlalchemy.ext.asyncio import AsyncEngine

from db.dead_letter_actions import Redrive, begin_redrives, confirm_redrives, is_only_redriving, withdraw_redrives
from db.dead_letters import Choice, KeptDeadLetter, numbers_of, value_of
from db.engine import create_engine
from schemas.records import REDRIVE_HEADER
from schemas.topics import INPUT_TOPICS
from workers.runtime.kafka import kafka_options
from workers.runtime.settings import Settings

_AT_ONCE = 100
_BYTES_AT_ONCE = 8 * 1024 * 1024
_LARGEST_REQUEST_BYTES = 256 * 1024 * 1024
_SETTLING_SECONDS = 10.0
_REFUSALS = {
    MessageSizeTooLargeError: "it is larger than the broker accepts",
    RecordListTooLargeError: "it is larger than the broker accepts",
    InvalidTimestampError: "the broker does not accept its timestamp",
    PolicyViolationError: "a policy of the broker forbids it",
}
"""Errors of a broker that are permanent and concern only one record."""

_Deliveries = dict[UUID, "asyncio.Future[RecordMetadata]"]
"""The pending deliveries of sent records, by redrive id."""


class AnotherRedrives(Exception):
    """A redrive is already in progress: two at once would not preserve the order of records."""


@dataclass(frozen=True, slots=True)
class Put:
    """A dead letter whose record was put on its topic at `place`; `is_resumed` if it may be there twice."""

    number: int
    place: str
    is_resumed: bool


@dataclass(slots=True)
class Redriving:
    """The progress of a redrive: which records were put on their topics, and which were not and why. Updated in place.

    `left` were redriven or discarded before, or are no longer kept; `refused` were not accepted by the broker, or
    belong to a topic that is not read; `held_back` would overtake one of these.
    """

    chosen: list[int] = field(default_factory=list)
    put: list[Put] = field(default_factory=list)
    left: list[KeptDeadLetter] = field(default_factory=list)
    refused: list[tuple[KeptDeadLetter, str]] = field(default_factory=list)
    held_back: list[KeptDeadLetter] = field(default_factory=list)

    @property
    def done(self) -> int:
        """The number of dead letters dealt with."""
        return len(self.put) + len(self.left) + len(self.refused) + len(self.held_back)

    @property
    def to_do(self) -> list[int]:
        """The numbers of the remaining ones, in order."""
        others = [kept.number for kept in (*self.left, *(kept for kept, _ in self.refused), *self.held_back)]
        done = {put.number for put in self.put}.union(others)
        return [number for number in self.chosen if number not in done]


async def redrive(
    settings: Settings,
    choice: Choice,
    *,
    by: str,
    again: bool,
    rate: int | None,
    state: Redriving,
    progress: Callable[[], None] = lambda: None,
) -> None:
    """Put the chosen dead letters' records on their topics, at most `rate` a second, and update `state`.

    Raises AnotherRedrives, Unopenable, and errors of the database and Kafka drivers. Records that the broker has
    acknowledged by then are confirmed, even if the task is cancelled.
    """
    engine = create_engine(settings.database_url, pool_size=2)
    try:
        async with _alone(engine):
            async with engine.connect() as connection:
                chosen = await numbers_of(connection, choice)
            state.chosen = [number for number, _ in chosen]
            progress()
            if not chosen:
                return
            async with _producer(settings) as producer:
                sending = _Sending(engine, settings, producer, by, again=again, rate=rate, state=state)
                for page in _pages(chosen, rate):
                    await sending.send(page)
                    progress()
    finally:
        await engine.dispose()


class _Sending:
    def __init__(
        self,
        engine: AsyncEngine,
        settings: Settings,
        producer: AIOKafkaProducer,
        by: str,
        *,
        again: bool,
        rate: int | None,
        state: Redriving,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._producer = producer
        self._by = by
        self._again = again
        self._rate = rate
        self._state = state
        self._began = time.monotonic()
        self._turns = count()
        self._blocked: set[str] = set()
        self._topics = {settings.topic(topic) for topic in INPUT_TOPICS}

    async def send(self, numbers: Sequence[int]) -> None:
        async with self._engine.begin() as connection:
            redrives, left = await begin_redrives(connection, numbers, self._by, again=self._again)
        self._state.left += left
        deliveries: _Deliveries = {}
        sending = [
            asyncio.create_task(self._send_in_order(boundary, some, deliveries))
            for boundary, some in _by_organization(redrives).items()
        ]
        try:
            await asyncio.gather(*sending)
        except BaseException:
            for one in sending:
                one.cancel()
            await asyncio.gather(*sending, return_exceptions=True)
            # Even if interrupted: records that the broker has must not count as waiting.
            await asyncio.shield(self._settle(redrives, deliveries))
            raise
        await self._settle(redrives, deliveries)

    async def _send_in_order(self, boundary: str, redrives: Sequence[Redrive], deliveries: _Deliveries) -> None:
        for redrive in redrives:
            kept = redrive.kept
            if boundary in self._blocked:
                self._state.held_back.append(kept)
                continue
            if kept.record.topic not in self._topics:
                why = f"its prefix is {self._settings.topic_prefix}"
                self._refuse(kept, boundary, f"this installation does not read {kept.record.topic} ({why})")
                continue
            value = value_of(kept, self._settings.keys() if kept.sealed else None)
            await self._keep_to_rate()
            # The original partition keeps an organization's records together, unless it no longer exists.
            partition = await self._partition_of(kept)
            try:
                delivery = deliveries[redrive.id] = await self._producer.send(
                    kept.record.topic, value, key=kept.record.key, partition=partition, headers=_headers(redrive)
                )
                await asyncio.shield(delivery)
            except tuple(_REFUSALS) as refusal:
                deliveries.pop(redrive.id, None)
                self._refuse(kept, boundary, _REFUSALS[type(refusal)])

    def _refuse(self, kept: KeptDeadLetter, boundary: str, why: str) -> None:
        self._state.refused.append((kept, why))
        self._blocked.add(boundary)

    async def _partition_of(self, kept: KeptDeadLetter) -> int | None:
        existing = await self._producer.partitions_for(kept.record.topic)
        return kept.record.partition if kept.record.partition in existing else None

    async def _keep_to_rate(self) -> None:
        if self._rate is not None:
            await asyncio.sleep(self._began + next(self._turns) / self._rate - time.monotonic())

    async def _settle(self, redrives: Sequence[Redrive], deliveries: _Deliveries) -> None:
        """Store the broker's answers; wait for them a while if sending was interrupted."""
        if deliveries:
            await asyncio.wait(deliveries.values(), timeout=_SETTLING_SECONDS)
        confirmed: list[tuple[UUID, int, int]] = []
        for redrive in redrives:
            delivery = deliveries.get(redrive.id)
            if delivery is None or not delivery.done() or delivery.cancelled() or delivery.exception() is not None:
                continue
            sent = delivery.result()
            confirmed.append((redrive.id, sent.partition, sent.offset))
            place = f"{sent.topic}/{sent.partition}/{sent.offset}"
            self._state.put.append(Put(redrive.kept.number, place, redrive.is_resumed))
        untried = [redrive.id for redrive in redrives if redrive.id not in deliveries and not redrive.is_resumed]
        async with self._engine.begin() as connection:
            await confirm_redrives(connection, confirmed)
            await withdraw_redrives(connection, untried)


def _by_organization(redrives: Sequence[Redrive]) -> dict[str, list[Redrive]]:
    """Group redrives by organization, or else by the partition that their records came from."""
    found: dict[str, list[Redrive]] = {}
    for redrive in redrives:
        record = redrive.kept.record
        found.setdefault(redrive.kept.organization or f"{record.topic}/{record.partition}", []).append(redrive)
    return found


def _headers(redrive: Redrive) -> list[tuple[str, bytes | None]]:
    others = [header for header in redrive.kept.record.headers if header[0] != REDRIVE_HEADER]
    return [*others, (REDRIVE_HEADER, redrive.id.hex.encode())]


def _pages(chosen: Sequence[tuple[int, int]], rate: int | None) -> Iterator[list[int]]:
    """Yield pages of numbers, each small enough for memory and, if there is a rate, for a second."""
    most = min(_AT_ONCE, rate or _AT_ONCE)
    page: list[int] = []
    held_bytes = 0
    for number, size in chosen:
        if page and (len(page) == most or held_bytes + size > _BYTES_AT_ONCE):
            yield page
            page, held_bytes = [], 0
        page.append(number)
        held_bytes += size
    if page:
        yield page


@asynccontextmanager
async def _alone(engine: AsyncEngine) -> AsyncIterator[None]:
    """Hold the exclusive right to redrive. Raises AnotherRedrives."""
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        if not await is_only_redriving(connection):
            raise AnotherRedrives("Another redrive is in progress. Try again when it has ended.")
        yield


@asynccontextmanager
async def _producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        **kafka_options(settings),
        acks="all",
        # One record per batch, so that the broker refuses only that record and not others sent with it.
        max_batch_size=1,
        # A record that arrived compressed may exceed the broker's limit uncompressed.
        compression_type="gzip",
        max_request_size=_LARGEST_REQUEST_BYTES,
    )
    try:
        await producer.start()
        yield producer
    finally:
        await producer.stop()
