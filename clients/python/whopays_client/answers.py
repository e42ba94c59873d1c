"""Matches results to the commands that wait for them: one consumer of `command-results` for any number of commands."""

import asyncio
import contextlib
import logging
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import cast

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import ConsumerStoppedError
from aiokafka.structs import ConsumerRecord

from whopays_client.connection import Connection, consuming, partitions_of, poll, stop
from whopays_client.envelope import Heard, read
from whopays_client.errors import Malformed
from whopays_client.results import CommandCompleted

logger = logging.getLogger("whopays_client")

_POLL_MS = 1000

Identity = tuple[str, str, str]
"""The identity of a command: organization, source, id."""


class Pending:
    """A command that waits for its results.

    Other senders may use its id for other content. A result belongs to this command if it carries the correlation id
    sent with it; from then on its fingerprint is known, which distinguishes later results from those of other content.
    """

    def __init__(self, identity: Identity, correlation_id: str, dry_run: bool) -> None:
        self.identity = identity
        self.correlation_id = correlation_id
        self.dry_run = dry_run
        self.fingerprint: str | None = None
        loop = asyncio.get_running_loop()
        self.first: asyncio.Future[Heard[CommandCompleted]] = loop.create_future()
        self.final: asyncio.Future[Heard[CommandCompleted]] = loop.create_future()

    def offer(self, heard: Heard[CommandCompleted]) -> None:
        """Accept a result of the same identity, if it is for this command's content."""
        completed = heard.event
        is_own = heard.correlation_id == self.correlation_id and completed.dry_run == self.dry_run
        is_of_own_content = self.fingerprint is not None and completed.fingerprint == self.fingerprint
        if not is_own and (completed.dry_run or not is_of_own_content):
            return
        self.fingerprint = completed.fingerprint
        if not self.first.done():
            self.first.set_result(heard)
        if not completed.is_interim and not self.final.done():
            self.final.set_result(heard)

    def fail(self, error: BaseException) -> None:
        """Fail all waiters, because no more results will be read."""
        for future in (self.first, self.final):
            if not future.done():
                future.set_exception(error)
                future.exception()  # marks it as retrieved: often nothing awaits the second one


class Answers:
    """Passes results published from now on to the commands that wait for them."""

    def __init__(self, consumer: AIOKafkaConsumer, topic: str) -> None:
        self._consumer = consumer
        self._topic = topic
        # Weak references, so that dropping an interim answer needs no call.
        self._pending: dict[Identity, list[weakref.ref[Pending]]] = {}
        self._organizations: dict[bytes, int] = {}
        self._failure: BaseException | None = None

    @property
    def waiting(self) -> int:
        """How many commands wait, or could wait, for a result."""
        return sum(self._organizations.values())

    def expect(self, identity: Identity, correlation_id: str, dry_run: bool) -> Pending:
        """Register a command that is about to be sent. Raises the error that ended reading, if any."""
        if self._failure is not None:
            raise self._failure
        pending = Pending(identity, correlation_id, dry_run)
        key = identity[0].encode()
        self._pending.setdefault(identity, []).append(weakref.ref(pending, partial(self._forget, identity, key)))
        self._organizations[key] = self._organizations.get(key, 0) + 1
        return pending

    def _forget(self, identity: Identity, key: bytes, pending: "weakref.ref[Pending]") -> None:
        held = self._pending[identity]
        held.remove(pending)
        if not held:
            del self._pending[identity]
        self._organizations[key] -= 1
        if not self._organizations[key]:
            del self._organizations[key]

    def _held(self, identity: Identity) -> list[Pending]:
        """Return the pending commands of an identity."""
        # Iterates over a copy: references that die meanwhile remove themselves from the list.
        return [pending for held in tuple(self._pending.get(identity, ())) if (pending := held()) is not None]

    async def read(self) -> None:
        """Read results until the consumer is stopped."""
        try:
            while True:
                for records in (await poll(self._consumer, _POLL_MS)).values():
                    for record in records:
                        self._take(record)
                await self._follow_new_partitions()
        except ConsumerStoppedError:
            return
        except Exception as error:
            self._failure = error
            logger.exception("results are no longer read")
            for identity in list(self._pending):
                for pending in self._held(identity):
                    pending.fail(error)

    def _take(self, record: ConsumerRecord) -> None:
        # In a busy installation most results are for other clients: parsing them would dominate the cost.
        if record.key not in self._organizations:
            return
        try:
            heard = read(record)
        except Malformed as error:
            logger.warning("a result is skipped: %s", error)
            return
        if heard is None or not isinstance(heard.event, CommandCompleted):
            return
        completed = heard.event
        for pending in self._held((completed.organization, completed.command_source, completed.command_id)):
            pending.offer(cast(Heard[CommandCompleted], heard))

    async def _follow_new_partitions(self) -> None:
        known = self._consumer.assignment()
        numbers = self._consumer.partitions_for_topic(self._topic) or set()
        if len(numbers) > len(known):
            positions = {partition: await self._consumer.position(partition) for partition in known}
            partitions = [TopicPartition(self._topic, number) for number in sorted(numbers)]
            self._consumer.assign(partitions)
            for partition in partitions:
                self._consumer.seek(partition, positions.get(partition, 0))


@asynccontextmanager
async def reading_answers(connection: Connection) -> AsyncIterator[Answers]:
    """Read the results published from now on. Raises TopicMissing, KafkaError."""
    topic = connection.topic("command-results")
    async with contextlib.AsyncExitStack() as stack:
        consumer = await stack.enter_async_context(consuming(connection))
        partitions = await partitions_of(connection, "command-results")
        # Seek to explicit offsets: aiokafka resolves the end lazily, which would be too late after the first command.
        ends = await consumer.end_offsets(partitions)
        consumer.assign(partitions)
        for partition in partitions:
            consumer.seek(partition, ends[partition])
        answers = Answers(consumer, topic)
        task = asyncio.create_task(answers.read())
        stack.push_async_callback(_ended, task, consumer)
        yield answers


async def _ended(task: asyncio.Task[None], consumer: AIOKafkaConsumer) -> None:
    # Stopped rather than cancelled: a cancelled poll leaves the consumer in an unknown state.
    await stop(consumer)
    await task
