"""The progress of partitions whose records are decided out of order (docs/decisions/0030).

The position that is stored for a partition, and acknowledged, is the offset before which everything is decided.
Offsets decided beyond it are stored as read ahead, until the position has passed them.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from itertools import chain

from aiokafka import TopicPartition

from db.reading_positions import Span
from domain.messages import Due, Message
from schemas.records import Record


class PassedOver(Exception):
    """A batch was processed, but not all of its records are decided."""


class Progress:
    """Tracks which records of a partition were read and decided. Everything before the initial `reached` is decided."""

    def __init__(self, partition: TopicPartition, reached: int) -> None:
        self.partition = partition
        self.reached = reached
        """The database's position: everything before it is decided."""
        self.position: int | None = None
        """The offset before which everything read by this process is decided, at most `reached`; None before any is."""
        self.noting = asyncio.Lock()
        """Held by the one transaction that stores a position, until its outcome is known."""
        self._end = 0
        # Runs without gaps, because there may be 200,000 offsets. All but the first offset may be decided ahead.
        self._undecided: deque[range] = deque()
        self._timestamps: deque[datetime] = deque()  # of each of these offsets
        self._ahead: dict[int, tuple[int, ...]] = {}  # each with the last offset that its transaction stored

    @property
    def ahead(self) -> int:
        """The number of records, decided or not, that were read beyond the position."""
        return len(self._timestamps)

    @property
    def first(self) -> tuple[int, datetime] | None:
        """The offset and timestamp of the first undecided record; None if there is none."""
        return (self._undecided[0].start, self._timestamps[0]) if self._undecided else None

    def read(self, offset: int, timestamp: datetime) -> None:
        """Add a record that is to be decided."""
        if self._undecided and self._undecided[-1].stop == offset:
            self._undecided[-1] = range(self._undecided[-1].start, offset + 1)
        else:
            self._undecided.append(range(offset, offset + 1))
        self._timestamps.append(timestamp)
        self._end = offset + 1

    def is_decided(self, offset: int) -> bool:
        """Return whether a record that was read is decided."""
        return offset in self._ahead or not self._undecided or offset < self._undecided[0].start

    def span(self, offsets: Iterable[int]) -> Span:
        """Return what a transaction that decides the records at these offsets is to store."""
        decided = set(offsets)
        position = self._end
        passed: set[int] = set()
        for offset in chain.from_iterable(self._undecided):
            if offset in self._ahead:
                passed.update(self._ahead[offset])
            elif offset not in decided:
                position = offset
                break
        until = max(position, self.reached)
        ahead = tuple(sorted(offset for offset in decided if offset >= until))
        return Span(self.partition.topic, self.partition.partition, self.reached, until, ahead, tuple(passed))

    def settle(self, offsets: Iterable[int], span: Span) -> None:
        """Record that a transaction that decided these offsets and stored `span` is committed."""
        decided = set(offsets)
        while (first := self.first) is not None and (first[0] in decided or first[0] in self._ahead):
            self._ahead.pop(first[0], None)
            self._forget_first()
        position = self._end if first is None else first[0]
        noted = span.ahead[-1:]
        for offset in decided:
            if offset > position:
                self._ahead[offset] = noted if offset >= span.until else ()
        self.position = min(position, span.until)
        self.reached = span.until

    def _forget_first(self) -> None:
        self._timestamps.popleft()
        self._undecided[0] = self._undecided[0][1:]
        if not self._undecided[0]:
            self._undecided.popleft()


def insist_on(records: Iterable[Record], progress: Mapping[TopicPartition, Progress]) -> None:
    """Raise PassedOver unless all these records are decided: a skipped record would block its partition for ever."""
    for record in records:
        if not progress[TopicPartition(record.topic, record.partition)].is_decided(record.offset):
            raise PassedOver(record.place)


@asynccontextmanager
async def noting(
    progress: Mapping[TopicPartition, Progress], messages: Collection[Message]
) -> AsyncIterator[list[Span]]:
    """Yield the spans that a transaction is to store. It must hold all its shards, and be committed on exit.

    Until then, other transactions that decide records of these partitions wait here, so that the last one to commit
    stores what all of them have decided.
    """
    decided: defaultdict[TopicPartition, list[int]] = defaultdict(list)
    for message in messages:
        if not isinstance(message, Due):
            decided[TopicPartition(message.record.topic, message.record.partition)].append(message.record.offset)
    async with AsyncExitStack() as stack:
        noted = [
            (progress[partition], offsets) for partition, offsets in sorted(decided.items()) if partition in progress
        ]
        for one, _ in noted:
            await stack.enter_async_context(one.noting)
        spans = [one.span(offsets) for one, offsets in noted]
        yield spans
        for (one, offsets), span in zip(noted, spans, strict=True):
            one.settle(offsets, span)
