"""How far partitions are decided while their records are decided out of order (docs/decisions/0030).

What is noted of a partition, and acknowledged, is the offset before which everything is decided. What is decided beyond
it is noted as read ahead, until that offset has passed it.
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
    """What of a partition was read, and what of that is decided; everything before `reached` was, when it begins."""

    def __init__(self, partition: TopicPartition, reached: int) -> None:
        self.partition = partition
        self.reached = reached
        """What the database has noted: everything before is decided."""
        self.position: int | None = None
        """Up to where what was read since then is decided, never beyond `reached`; None before anything is."""
        self.noting = asyncio.Lock()
        """Held by the one transaction that notes something, until its outcome is known."""
        self._end = 0
        # Without gaps each, because there may be 200,000 offsets; behind the first, they may be decided ahead.
        self._undecided: deque[range] = deque()
        self._timestamps: deque[datetime] = deque()  # of each of these offsets
        self._ahead: dict[int, tuple[int, ...]] = {}  # with the last offset that its transaction noted

    @property
    def ahead(self) -> int:
        """How many records, decided or not, were read beyond the position."""
        return len(self._timestamps)

    @property
    def first(self) -> tuple[int, datetime] | None:
        """The offset and timestamp of the first record that was read and is not decided; None if there is none."""
        return (self._undecided[0].start, self._timestamps[0]) if self._undecided else None

    def read(self, offset: int, timestamp: datetime) -> None:
        """Take note of a record that is to be decided."""
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
        """Return what a transaction is to note that decides the records at these offsets."""
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
        """Take note that such a transaction is committed."""
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
    """Raise PassedOver unless all these records are decided: what is passed over holds its partition up for good."""
    for record in records:
        if not progress[TopicPartition(record.topic, record.partition)].is_decided(record.offset):
            raise PassedOver(record.place)


@asynccontextmanager
async def noting(
    progress: Mapping[TopicPartition, Progress], messages: Collection[Message]
) -> AsyncIterator[list[Span]]:
    """Yield what a transaction, which holds all its shards, is to note; it must be committed when this is left.

    Another transaction that decides records of one of these partitions waits until then, so that the last one to be
    committed notes what all of them have decided.
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
