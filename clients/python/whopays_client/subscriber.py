"""Follows events, each exactly once, into the store of whoever reads them."""

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


class Subscriber(Generic[Wanted, Transaction]):
    """Hands out events, each once for each `name`, whatever is killed in between.

        async with Subscriber(connection, store, "usage", [BindingChanged]) as subscriber:
            async for change in subscriber:
                change.transaction.execute("…")

    A change counts as handled when the loop asks for the next one, or ends by `break` and the block is left without an
    exception. Changes are committed together, up to `max_batch` of them, and always before waiting for more: with
    `max_batch=1` each by itself, which suits effects outside the store. Of the events of one subject each comes after
    the one before it. A loop that is begun again in the same block gets whatever was not committed again.

    `name` stands for the reader in the store; two with one name take turns and share the changes. `begin`: where to
    begin with a new name, a replay (`Replays.completed`) in place of what the topics hold; then it follows the topics,
    without a hole and without an overlap. `on_gap` is `raise` (SequenceGap), or `refetch` to go on with what is still
    there. `until_end`: end the loop at what was there when it began. `on_malformed` is `raise`, or `skip` for records
    that are no events of whopays.

    Entering raises TopicMissing and KafkaError; the loop SequenceGap, Malformed, KafkaError, and what the store raises.
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
        # What is open: the transaction, the records ahead, what was handed out last, what is yet to be remembered.
        self._transaction: contextlib.AbstractAsyncContextManager[Transaction] | None = None
        self._handle: Transaction
        self._ahead: deque[Step] = deque()
        self._handed_out: Step | None = None
        self._known: dict[str, int] = {}
        self._kept = Kept()
        self._injected: list[Step] = []
        self._is_begun_again = False

    async def __aenter__(self) -> Self:
        """Connect, and find where this name was."""
        async with contextlib.AsyncExitStack() as stack:
            self._consumer = await stack.enter_async_context(consuming(self._connection))
            self._places = Places(self._connection, self._consumer, self._store, self._name, self._topics)
            await self._places.find(self._begin, until_end=self._until_end)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Commit what was handled, or after an exception roll it back; disconnect."""
        async with self._stack:
            if kind is None:
                self._count()
                await self._commit()
            else:
                await self._roll_back()

    def __aiter__(self) -> Self:
        """Begin a loop: what an earlier one did not commit comes again."""
        self._handed_out = None
        self._ahead.clear()
        self._is_begun_again = self._transaction is not None
        return self

    async def __anext__(self) -> Change[Wanted, Transaction]:
        """Count the change before as handled, and return the next."""
        if self._is_begun_again:
            self._is_begun_again = False
            await self._roll_back()
        self._count()
        while True:
            while self._ahead:
                step = self._ahead.popleft()
                missed = self._missed(step)
                if missed and not step.accepts_gap:
                    await self._meet_gap(cast(Heard[Event], step.heard))
                elif self._is_next(step):
                    self._handed_out = step
                    return Change(cast(Heard[Wanted], step.heard), self._handle, missed, self._kept)
                else:
                    self._pass(step)
            await self._commit()
            await self._begin_batch()

    async def refetch(self, gap: SequenceGap) -> None:
        """After a gap: have the loop go on with what the topic still holds of the subject, the oldest change first.

        The first of them tells in `missed` how many are gone for good. Raises KafkaError, Malformed.
        """
        topic = gap.place.rsplit("/", 2)[0]
        found = await self._places.events_of(topic, gap.subject, gap.last)
        self._injected = [Step(None, 0, heard, accepts_gap=True) for heard in found]

    async def fill(self, gap: SequenceGap, replay: CompletedReplay) -> None:
        """After a gap: have the loop go on with the missing changes, from a replay that holds them all.

        Raises SequenceGap where it does not; KafkaError, Malformed.
        """
        found: dict[int, Heard[Event]] = {}
        async for heard in Replays(self._connection).events(replay):
            if heard.subject == gap.subject and heard.sequence is not None and self._topic_of(heard) in self._topics:
                found[heard.sequence] = heard
        for sequence in range(gap.last + 1, gap.seen):
            if sequence not in found:
                raise SequenceGap(gap.subject, sequence - 1, gap.seen, gap.place)
        self._injected = [Step(None, 0, found[sequence]) for sequence in range(gap.last + 1, gap.seen)]

    async def _begin_batch(self) -> None:
        steps, self._injected = self._injected, []
        if not steps:
            steps = self._read(await self._fetch())
        heard = [step.heard for step in steps if step.heard is not None]
        keys = {self._key(one) for one in heard}
        wanted = [cast(Heard[Wanted], one) for one in heard if isinstance(one.event, self._wanted)]
        further = set() if self._keep is None else {self._keep(one) for one in wanted}
        self._transaction = self._store.transaction(self._name)
        self._handle = await self._transaction.__aenter__()
        remembered = await self._store.recall(self._handle, sorted(keys | further))
        self._known = {key: int(order) for key, order in remembered.items() if key in keys}
        self._kept.texts = {key: text for key, text in remembered.items() if key in further}
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

    def _read(self, found: Mapping[TopicPartition, Sequence[ConsumerRecord]]) -> list[Step]:
        steps = []
        for partition, records in found.items():
            for record in records:
                try:
                    heard = read(record)
                except Malformed:
                    if self._on_malformed == "raise":
                        raise
                    heard = None
                if heard is not None and self._topic_of(heard) not in self._topics:
                    heard = None
                steps.append(Step(partition, record.offset + 1, heard))
        return steps

    def _missed(self, step: Step) -> int:
        heard = step.heard
        if heard is None or heard.sequence is None:
            return 0
        known = self._known.get(self._key(heard))
        return 0 if known is None else max(heard.sequence - known - 1, 0)

    def _is_next(self, step: Step) -> bool:
        """Whether a step is a change that is wanted, and is not known yet."""
        if step.heard is None or step.heard.order <= self._known.get(self._key(step.heard), 0):
            return False
        return isinstance(step.heard.event, self._wanted)

    def _count(self) -> None:
        """Take what was handed out last as handled."""
        if self._handed_out is not None:
            self._pass(self._handed_out)
            self._handed_out = None

    def _pass(self, step: Step) -> None:
        if step.heard is not None:
            key = self._key(step.heard)
            if step.heard.order > self._known.get(key, 0):
                self._known[key] = step.heard.order
                self._kept.new[key] = str(step.heard.order)
        if step.partition is not None:
            self._places.pass_to(step.partition, step.offset)

    async def _meet_gap(self, heard: Heard[Event]) -> None:
        last = self._known[self._key(heard)]
        topic = self._topic_of(heard)
        gap = SequenceGap(heard.subject, last, heard.order, heard.place, option=_OPTIONS.get(topic, "--project"))
        # What came before is handled, whatever happens now.
        self._ahead.clear()
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
            # Whether it was committed is not known: the store tells, and what is there is not handled again.
            self._places.return_to_remembered()
            raise
        self._places.have_remembered()

    async def _roll_back(self) -> None:
        self._ahead.clear()
        self._handed_out = None
        self._kept.new.clear()
        if self._transaction is not None:
            transaction, self._transaction = self._transaction, None
            error = _RolledBack()
            with contextlib.suppress(_RolledBack):
                await transaction.__aexit__(_RolledBack, error, None)
            self._places.return_to_remembered()

    def _key(self, heard: Heard[Event]) -> str:
        return f"{self._name}/{self._topic_of(heard)}/{heard.subject}"

    @staticmethod
    def _topic_of(heard: Heard[Event]) -> str:
        return TOPICS.get(type(heard.event), "")


class _RolledBack(Exception):
    """Tells a transaction to roll back."""
