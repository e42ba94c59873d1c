"""Who paid for a project at an instant: the timelines of all projects, kept in the application's store."""

import asyncio
import json
import time
from collections import OrderedDict, deque
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from types import TracebackType
from typing import Generic, Self

from aiokafka import AIOKafkaConsumer, TopicPartition

from whopays_client.changes import Change
from whopays_client.connection import Connection, consuming, partitions_of, poll
from whopays_client.envelope import read
from whopays_client.errors import HistoryMissing, NotKnownYet
from whopays_client.events import BindingChanged, Watermark
from whopays_client.replays import CompletedReplay
from whopays_client.store import Store, Transaction
from whopays_client.subscriber import Subscriber
from whopays_client.timeline import Head, Payer, Unknown, payer_in

_POLL_SECONDS = 0.2
_REMEMBERED = 10_000
_WAITING_WATERMARKS = 1000


class Payers(Generic[Transaction]):
    """Follows all changes of payers into a store, and answers from there. Use it as an asynchronous context manager.

    `name` identifies this timeline in the store. A new name begins with what the topic contains: every project's
    current payer and the changes of the last week; or with the replay `begin`, as far back as that reaches. For an
    earlier instant, or one within a gap between two changes, HistoryMissing is raised.

    Entering raises TopicMissing and KafkaError; queries also raise the error that ended following: Malformed,
    KafkaError, errors of the store.
    """

    def __init__(
        self,
        connection: Connection,
        store: Store[Transaction],
        name: str,
        *,
        begin: CompletedReplay | None = None,
        max_batch: int = 500,
    ) -> None:
        self._connection = connection
        self._store = store
        self._name = name
        self._subscriber = Subscriber(
            connection,
            store,
            name,
            [BindingChanged],
            begin=begin,
            on_gap="refetch",
            max_batch=max_batch,
            keep=lambda heard: self._key(heard.subject),
            on_progress=self._have_read,
            poll_seconds=_POLL_SECONDS,
        )
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._closed_until: datetime | None = None
        self._moved = asyncio.Event()
        self._read: Mapping[TopicPartition, int] = {}
        self._watermarks: deque[Watermark] = deque()
        self._heads: OrderedDict[str, Head] = OrderedDict()
        # Subjects changed by a transaction that is not committed yet, and the number of such transactions so far.
        self._changing: set[str] = set()
        self._changes = 0

    @property
    def closed_until(self) -> datetime | None:
        """The instant up to which every answer is final; None until the first watermark is reached."""
        return self._closed_until

    async def __aenter__(self) -> Self:
        """Connect and start following."""
        async with AsyncExitStack() as stack:
            partitions = await partitions_of(self._connection, "watermarks")
            watermarks = await stack.enter_async_context(consuming(self._connection))
            watermarks.assign(partitions)
            for partition in partitions:
                watermarks.seek(partition, 0)
            following = (self._follow(), self._follow_watermarks(watermarks))
            self._tasks = [asyncio.create_task(one) for one in following]
            stack.push_async_callback(self._end)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop following; uncommitted changes are read again next time."""
        await self._stack.aclose()

    async def payer(self, organization: str, project: str, at: datetime, *, wait_seconds: float = 0.0) -> Payer | None:
        """Return who paid for a project at an instant, None if nobody; the answer is final.

        The instant, with an offset from UTC, is when the usage happened, however late it is queried. If the payer is
        not known yet, wait up to `wait_seconds`, then raise NotKnownYet. Raises HistoryMissing if it was never read.
        """
        await self.until(at, wait_seconds)
        subject = f"{organization}/{project}"
        head = await self._head(subject)
        page = head.page_of(at)
        if page is None:
            found = payer_in(head.entries, at, None)
        else:
            key = f"{self._key(subject)}/{page}"
            text = (await self._store.recall(None, [key]))[key]
            found = payer_in(json.loads(text), at, head.end_of(page))
        if isinstance(found, Unknown):
            raise HistoryMissing(subject, at)
        return found

    async def until(self, at: datetime, wait_seconds: float = 0.0) -> None:
        """Wait until all changes up to an instant are known. Raises NotKnownYet on timeout."""
        deadline = time.monotonic() + wait_seconds
        while self._closed_until is None or self._closed_until < at:
            for task in self._tasks:
                if task.done():
                    task.result()
            left = deadline - time.monotonic()
            if left <= 0:
                raise NotKnownYet(at, self._closed_until)
            self._moved.clear()
            moved = asyncio.create_task(self._moved.wait())
            try:
                await asyncio.wait({moved, *self._tasks}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            finally:
                moved.cancel()

    async def _follow(self) -> None:
        async with self._subscriber as subscriber:
            async for change in subscriber:
                self._add(change)

    def _add(self, change: Change[BindingChanged, Transaction]) -> None:
        subject = change.heard.subject
        key = self._key(subject)
        self._changing.add(subject)
        head = Head.read(change.recall(key))
        page = head.add(change.event, change.heard.order, change.missed)
        change.remember(key, head.text())
        if page is not None:
            change.remember(f"{key}/{len(head.pages) - 1}", page)

    async def _follow_watermarks(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            for records in (await poll(consumer, int(_POLL_SECONDS * 1000))).values():
                for record in records:
                    heard = read(record)
                    if heard is not None and isinstance(heard.event, Watermark):
                        self._watermarks.append(heard.event)
            while len(self._watermarks) > _WAITING_WATERMARKS:
                # Far behind: drop every other watermark, which still shows progress.
                self._watermarks = deque(list(self._watermarks)[::-1][::2][::-1])
            self._close()

    def _have_read(self, positions: Mapping[TopicPartition, int]) -> None:
        """Record that everything before these positions is committed to the store."""
        self._read = positions
        if self._changing:
            for subject in self._changing:
                self._heads.pop(subject, None)
            self._changing.clear()
            self._changes += 1
        self._close()

    def _close(self) -> None:
        """Advance to the latest watermark whose changes have all been read."""
        topic = self._connection.topic("bindings")
        while self._watermarks:
            first = self._watermarks[0]
            needed = {TopicPartition(topic, number): offset for number, offset in enumerate(first.offsets)}
            if any(self._read.get(partition, -1) < offset for partition, offset in needed.items()):
                return
            self._watermarks.popleft()
            if self._closed_until is None or first.closed_until > self._closed_until:
                self._closed_until = first.closed_until
                self._moved.set()

    async def _head(self, subject: str) -> Head:
        head = self._heads.get(subject)
        if head is None:
            changes = self._changes
            key = self._key(subject)
            head = Head.read((await self._store.recall(None, [key])).get(key))
            if changes == self._changes and subject not in self._changing:
                self._heads[subject] = head
                if len(self._heads) > _REMEMBERED:
                    self._heads.popitem(last=False)
        else:
            self._heads.move_to_end(subject)
        return head

    def _key(self, subject: str) -> str:
        return f"{self._name}/payers/{subject}"

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
