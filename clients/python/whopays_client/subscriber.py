"""Follows events, each exactly once, into the application's store."""

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Generic, Literal, Self, cast

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from whopays_client.changes import TOPICS, Change, Kept, Step, Wanted
from whopays_client.connection import Connection, consuming, poll
from whopays_client.envelope import Heard, read
from whopays_client.errors import Malformed, SequenceGap
from whopays_client.events import Event
from whopays_client.places import Places
from whopays_client.replays import CompletedReplay, Replays
from whopays_client.store import Store, Transaction

_OPTIONS = {"accounts": "--account"}
_AT_ONCE = 32
"""How many records are parsed ahead: few, since long-lived objects cost garbage collection time."""


class Subscriber(Generic[Wanted, Transaction]):
    """Yields each event once for each `name`, whatever crashes in between.

        async with Subscriber(connection, store, "usage", [BindingChanged]) as subscriber:
            async for change in subscriber:
                change.transaction.execute("…")

    A change counts as handled when the loop asks for the next one, or ends by `break` and the block is left without an
    exception. Changes are committed together, up to `max_batch` of them, and always before waiting for more; with
    `max_batch=1` one by one, which suits effects outside the store. The events of a subject come in order. A loop
    that is started again in the same block gets uncommitted changes again.

    `name` identifies the reader in the store; two with the same name take turns and share the changes. `begin`: where a
    new name begins, a replay (`Replays.completed`) instead of what the topics contain; after it come the topics,
    without gap or overlap. `on_gap` is `raise` (SequenceGap), or `refetch` to continue with what still exists.
    `until_end`: end the loop at what existed when it began. `on_malformed` is `raise`, or `skip` for records that are
    not events of whopays.

    Entering raises TopicMissing and KafkaError; the loop raises SequenceGap, Malformed, KafkaError, and errors of the
    store.
    """

    def __init__(
        self,
        connection: Connection,
        store: Store[Transaction],
        name: str,
        events: Iterable[type[Wanted]],
        *,
        begin: CompletedReplay | None = None,
        on_gap: Literal["raise", "refetch"] = "raise",
        on_malformed: Literal["raise", "skip"] = "raise",
        max_batch: int = 500,
        until_end: bool = False,
        keep: Callable[[Heard[Wanted]], str] | None = None,
        on_progress: Callable[[Mapping[TopicPartition, int]], None] | None = None,
        poll_seconds: float = 1.0,
    ) -> None:
        self._connection = connection
        self._store = store
        self._name = name
        self._wanted = tuple(events)
        self._topics = tuple(dict.fromkeys(TOPICS[event] for event in self._wanted))
        self._prefixes = {event: f"{name}/{topic}/" for event, topic in TOPICS.items() if topic in self._topics}
        self._begin = begin
        self._on_gap = on_gap
        self._on_malformed = on_malformed
        self._max_batch = max_batch
        self._until_end = until_end
        self._keep = keep
        self._on_progress = on_progress
        self._poll_ms = int(poll_seconds * 1000)
        self._stack = contextlib.AsyncExitStack()
        self._consumer: AIOKafkaConsumer
        self._places: Places[Transaction]
        # The open transaction, its records (unparsed, then parsed), the step handed out last, and what is still to be
        # stored.
        self._transaction: contextlib.AbstractAsyncContextManager[Transaction] | None = None
        self._handle: Transaction
        self._unread: deque[tuple[TopicPartition, ConsumerRecord]] = deque()
        self._ahead: deque[Step] = deque()
        self._handed_out: Step | None = None
        self._known: dict[str, int] = {}
        self._kept = Kept()
        self._injected: list[Step] = []
        self._is_begun_again = False

    async def __aenter__(self) -> Self:
        """Connect, and find the position of this name."""
        async with contextlib.AsyncExitStack() as stack:
            self._consumer = await stack.enter_async_context(consuming(self._connection))
            self._places = Places(self._connection, self._consumer, self._store, self._name, self._topics)
            await self._places.find(self._begin, until_end=self._until_end)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Commit what was handled, or roll it back after an exception; disconnect."""
        async with self._stack:
            if kind is None:
                self._count()
                await self._commit()
            else:
                await self._roll_back()

    def __aiter__(self) -> Self:
        """Begin a loop: changes that an earlier one did not commit are repeated."""
        self._forget_ahead()
        self._is_begun_again = self._transaction is not None
        return self

    async def __anext__(self) -> Change[Wanted, Transaction]:
        """Count the previous change as handled, and return the next."""
        if self._is_begun_again:
            self._is_begun_again = False
            await self._roll_back()
        self._count()
        while True:
            while self._ahead:
                step = self._ahead.popleft()
                heard, known = step.heard, self._known.get(step.key, 0)
                if heard is None or step.order <= known:
                    self._pass(step)
                    continue
                missed = step.order - known - 1 if known and heard.sequence is not None else 0
                if missed and not step.accepts_gap:
                    await self._meet_gap(step, heard)
                elif isinstance(heard.event, self._wanted):
                    self._handed_out = step
                    return Change(cast("Heard[Wanted]", heard), self._handle, missed, self._kept)
                else:
                    self._pass(step)
            if self._unread:
                await self._read_ahead()
            else:
                await self._commit()
                await self._begin_batch()

    async def refetch(self, gap: SequenceGap) -> None:
        """After a gap: make the loop continue with the changes of the subject still on the topic, oldest first.

        `missed` of the first one says how many are lost. Raises KafkaError, Malformed.
        """
        topic = gap.place.rsplit("/", 2)[0]
        found = await self._places.events_of(topic, gap.subject, gap.last)
        self._injected = [self._step(None, 0, heard, accepts_gap=True) for heard in found]

    async def fill(self, gap: SequenceGap, replay: CompletedReplay) -> None:
        """After a gap: make the loop continue with the missing changes, from a replay that contains them all.

        Raises SequenceGap if it does not; KafkaError, Malformed.
        """
        found: dict[int, Heard[Event]] = {}
        async for heard in Replays(self._connection).events(replay):
            if heard.subject == gap.subject and heard.sequence is not None and type(heard.event) in self._prefixes:
                found[heard.sequence] = heard
        for sequence in range(gap.last + 1, gap.seen):
            if sequence not in found:
                raise SequenceGap(gap.subject, sequence - 1, gap.seen, gap.place)
        self._injected = [self._step(None, 0, found[sequence]) for sequence in range(gap.last + 1, gap.seen)]

    async def _begin_batch(self) -> None:
        steps, self._injected = self._injected, []
        found = await self._fetch() if not steps else {}
        transaction = self._store.transaction(self._name)
        self._handle = await transaction.__aenter__()
        self._transaction = transaction
        self._known, self._kept.texts = {}, {}
        self._unread.extend((partition, record) for partition, records in found.items() for record in records)
        await self._recall(steps)

    async def _read_ahead(self) -> None:
        await self._recall([self._read(*self._unread.popleft()) for _ in range(min(_AT_ONCE, len(self._unread)))])

    async def _recall(self, steps: list[Step]) -> None:
        """Queue steps, and load their stored state, except where this transaction has already changed it."""
        keys = {step.key for step in steps if step.heard is not None}
        further: set[str] = set()
        if self._keep is not None:
            wanted = (step.heard for step in steps if step.heard and isinstance(step.heard.event, self._wanted))
            further = {self._keep(cast("Heard[Wanted]", heard)) for heard in wanted}
        keys -= self._known.keys()
        further -= self._kept.texts.keys()
        remembered = await self._store.recall(self._handle, sorted(keys | further))
        self._known |= {key: int(order) for key, order in remembered.items() if key in keys}
        self._kept.texts |= {key: text for key, text in remembered.items() if key in further}
        self._ahead.extend(steps)

    async def _fetch(self) -> Mapping[TopicPartition, Sequence[ConsumerRecord]]:
        while True:
            if await self._places.are_at_the_end():
                raise StopAsyncIteration
            if self._on_progress is not None and self._places.are_live:
                self._on_progress({one: await self._consumer.position(one) for one in self._consumer.assignment()})
            found = await poll(self._consumer, self._poll_ms, self._max_batch)
            await self._places.follow_new_partitions()
            if found:
                return found

    def _read(self, partition: TopicPartition, record: ConsumerRecord) -> Step:
        try:
            return self._step(partition, record.offset + 1, read(record))
        except Malformed:
            if self._on_malformed == "raise":
                raise
            return Step(partition, record.offset + 1, None)

    def _step(
        self, partition: TopicPartition | None, offset: int, heard: Heard[Event] | None, *, accepts_gap: bool = False
    ) -> Step:
        prefix = self._prefixes.get(type(heard.event)) if heard is not None else None
        if heard is None or prefix is None:
            return Step(partition, offset, None)
        return Step(partition, offset, heard, prefix + heard.subject, heard.order, accepts_gap)

    def _count(self) -> None:
        """Count the step handed out last as handled."""
        if self._handed_out is not None:
            self._pass(self._handed_out)
            self._handed_out = None

    def _pass(self, step: Step) -> None:
        if step.order > self._known.get(step.key, 0):
            self._known[step.key] = step.order
            self._kept.new[step.key] = str(step.order)
        if step.partition is not None:
            self._places.pass_to(step.partition, step.offset)

    async def _meet_gap(self, step: Step, heard: Heard[Event]) -> None:
        last = self._known[step.key]
        option = _OPTIONS.get(TOPICS[type(heard.event)], "--project")
        gap = SequenceGap(heard.subject, last, step.order, heard.place, option=option)
        # Earlier changes are handled, whatever happens now.
        self._forget_ahead()
        await self._commit()
        self._places.return_to_remembered()
        if self._on_gap == "raise":
            raise gap
        await self.refetch(gap)

    async def _commit(self) -> None:
        if self._transaction is None:
            return
        transaction, self._transaction = self._transaction, None
        try:
            await self._store.remember(self._handle, self._kept.new | self._places.passed())
        except BaseException as error:
            self._kept.new.clear()
            with contextlib.suppress(type(error)):
                await transaction.__aexit__(type(error), error, error.__traceback__)
            self._places.return_to_remembered()
            raise
        self._kept.new.clear()
        try:
            await transaction.__aexit__(None, None, None)
        except BaseException:
            # It is unknown whether this was committed: the store will tell, so that nothing is handled twice.
            self._places.return_to_remembered()
            raise
        self._places.have_remembered()

    def _forget_ahead(self) -> None:
        self._unread.clear()
        self._ahead.clear()
        self._handed_out = None

    async def _roll_back(self) -> None:
        self._forget_ahead()
        self._kept.new.clear()
        if self._transaction is not None:
            transaction, self._transaction = self._transaction, None
            error = _RolledBack()
            with contextlib.suppress(_RolledBack):
                await transaction.__aexit__(_RolledBack, error, None)
            self._places.return_to_remembered()


class _RolledBack(Exception):
    """Tells a transaction to roll back."""
