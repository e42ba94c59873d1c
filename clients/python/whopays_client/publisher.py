"""Sends commands and waits for their results; reports facts."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self
from uuid import uuid4

from aiokafka import AIOKafkaProducer
from aiokafka.errors import ClusterAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError
from aiokafka.structs import RecordMetadata

from whopays_client.answer import Answer
from whopays_client.answers import Answers, reading_answers
from whopays_client.commands import Command
from whopays_client.connection import Connection, partitions_of
from whopays_client.envelope import CONTENT_TYPE, write
from whopays_client.errors import NotAcknowledged, NotAllowed, NotAnswered, TooLarge
from whopays_client.facts import Fact, ProjectChanged
from whopays_client.tracing import sending

Token = str | Callable[[], str | Awaitable[str]]
"""A JSON Web Token, or a function that returns one, called for each message."""

MAX_VALUE_BYTES = 256 * 1024
_BATCH_BYTES = 256 * 1024
_ENVELOPE_BYTES = 64 * 1024
_AGAIN_AFTER_SECONDS = 0.2
_COMMANDS = "admin-commands"

Headers = list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Where the broker stored a fact. Its effects are published as events; there are none if nothing is new."""

    fact_id: str
    topic: str
    partition: int
    offset: int


class Publisher:
    """Sends commands, any number at a time, and returns each one's result. Use it as an asynchronous context manager.

    `source` names the sending service (1 to 256 characters); together with organization and id it identifies a command.
    `person` is the sender (`authid`), if whopays does not check tokens; if it does, `token` proves who sends.
    `wait_seconds` is the default timeout of `send`. `max_value_bytes` is the most that whopays reads
    (`WHOPAYS_MAX_VALUE_BYTES`).

    It needs only the rights for what it sends: a service that only reports facts needs none on commands and results.
    A topic is looked up before the first message to it, and the results are read from the first command on.

    Entering raises NotAllowed and KafkaError.
    """

    def __init__(
        self,
        connection: Connection,
        source: str,
        *,
        person: str | None = None,
        token: Token | None = None,
        wait_seconds: float = 30.0,
        max_value_bytes: int = MAX_VALUE_BYTES,
    ) -> None:
        self._connection = connection
        self._source = source
        self._person = person
        self._token = token
        self._wait_seconds = wait_seconds
        self._max_value_bytes = max_value_bytes
        self._stack = AsyncExitStack()
        self._producer: AIOKafkaProducer
        self._answers: Answers
        self._found: set[str] = set()
        self._connecting = asyncio.Lock()

    async def __aenter__(self) -> Self:
        """Connect."""
        async with AsyncExitStack() as stack:
            self._producer = AIOKafkaProducer(
                bootstrap_servers=self._connection.bootstrap_servers,
                acks="all",
                enable_idempotence=True,
                max_batch_size=_BATCH_BYTES,
                max_request_size=2 * self._max_value_bytes + _ENVELOPE_BYTES,
                **self._connection.kafka,
            )
            stack.push_async_callback(self._producer.stop)
            try:
                await self._producer.start()
            except ClusterAuthorizationFailedError as error:
                # The broker's error for a producer that may not write to any topic.
                raise NotAllowed("any topic", "write to") from error
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect once all messages handed over are written."""
        await self._stack.aclose()

    @property
    def waiting(self) -> int:
        """How many commands are waiting for a result, including those whose interim answer is still referenced."""
        return self._answers.waiting if _COMMANDS in self._found else 0

    async def send(
        self,
        command: Command,
        *,
        id: str | None = None,  # noqa: A002 - what the attribute is called
        dry_run: bool = False,
        person: str | None = None,
        token: Token | None = None,
        expires_at: datetime | None = None,
        correlation_id: str | None = None,
        trace_parent: str | None = None,
        wait_seconds: float | None = None,
    ) -> Answer:
        """Send a command, wait for its result, and return it: the final one, or an interim one that leads to it.

        Without `id` (1 to 128 printable ASCII characters) the command gets a new one. With an id that was used for the
        same command before, it takes effect only once, and its latest result is published again. `dry_run` reports
        what would happen. After `expires_at` the command is rejected (`Expired`). `correlation_id` and `trace_parent`
        (W3C) come back on the result and on every event that follows; do not use one correlation id for different
        commands of the same id. Without `trace_parent`, if OpenTelemetry is in use, the command is sent in its own span
        within the current trace.

        Raises NotAnswered, with the id, if no result came within `wait_seconds`; TooLarge; TopicMissing; NotAllowed;
        KafkaError if the broker refuses the record.
        """
        wait = self._wait_seconds if wait_seconds is None else wait_seconds
        command_id = id if id is not None else str(uuid4())
        rehearses = dry_run or command.dry_run
        data = command.data() | ({"dryRun": True} if rehearses else {})
        # A new id is unique, so it can also serve as the correlation id.
        own = str(uuid4()) if id is not None else command_id
        correlation = correlation_id if correlation_id is not None else own
        attributes: dict[str, str | None] = {
            "authid": person if person is not None else self._person,
            "correlationid": correlation,
            "expirytime": None if expires_at is None else expires_at.isoformat(),
        }
        identity = (command.organization, self._source, command_id)
        is_written = False
        # For a new command, asking for an earlier answer has no effect.
        asks_again = id is not None
        started = time.monotonic()
        with sending(type(command).__name__, self._connection.topic(_COMMANDS), trace_parent) as traced:
            attributes["traceparent"] = traced.trace_parent
            try:
                async with asyncio.timeout(wait):
                    await self._ready(_COMMANDS)
                    pending = self._answers.expect(identity, correlation, rehearses)
                    headers = await self._headers(token)
                    while True:
                        attributes["answer"] = "again" if asks_again else None
                        value = write(command, data, command_id, self._source, attributes)
                        try:
                            delivery = await self._hand_over(_COMMANDS, command.organization, value, headers)
                            await asyncio.wait({delivery, pending.first}, return_when=asyncio.FIRST_COMPLETED)
                            if not pending.first.done():
                                await delivery
                                is_written = True
                            answer = Answer(await pending.first, pending)
                            traced.answered(answer.outcome)
                            return answer
                        except TopicAuthorizationFailedError as error:
                            raise NotAllowed(self._connection.topic(_COMMANDS), "write to") from error
                        except KafkaError as error:
                            if not error.retriable:
                                raise
                        # It may or may not have been written: if it was, this asks for the missed answer.
                        asks_again = True
                        await asyncio.sleep(_AGAIN_AFTER_SECONDS)
            except TimeoutError:
                waited = time.monotonic() - started
                raise NotAnswered(*identity, waited, is_written=is_written) from None

    async def report(
        self,
        fact: Fact,
        *,
        id: str | None = None,  # noqa: A002 - what the attribute is called
        correlation_id: str | None = None,
        trace_parent: str | None = None,
        wait_seconds: float | None = None,
    ) -> Acknowledged:
        """Report a fact, and return where the broker stored it. Reporting it again is harmless: its version counts.

        Raises NotAcknowledged if the broker did not acknowledge it within `wait_seconds`; TooLarge; TopicMissing;
        NotAllowed; KafkaError if it refuses.
        """
        wait = self._wait_seconds if wait_seconds is None else wait_seconds
        fact_id = id if id is not None else str(uuid4())
        name = "projects" if isinstance(fact, ProjectChanged) else "payment-profiles"
        with sending(type(fact).__name__, self._connection.topic(name), trace_parent) as traced:
            attributes = {"authid": self._person, "correlationid": correlation_id, "traceparent": traced.trace_parent}
            value = write(fact, fact.data(), fact_id, self._source, attributes)
            headers: Headers = [("content-type", CONTENT_TYPE)]
            started = time.monotonic()
            try:
                async with asyncio.timeout(wait):
                    await self._ready(name)
                    while True:
                        try:
                            put = await (await self._hand_over(name, fact.organization, value, headers))
                            return Acknowledged(fact_id, put.topic, put.partition, put.offset)
                        except TopicAuthorizationFailedError as error:
                            raise NotAllowed(self._connection.topic(name), "write to") from error
                        except KafkaError as error:
                            if not error.retriable:
                                raise
                        await asyncio.sleep(_AGAIN_AFTER_SECONDS)
            except TimeoutError:
                waited = time.monotonic() - started
                raise NotAcknowledged(self._connection.topic(name), fact_id, waited) from None

    async def _ready(self, name: str) -> None:
        """Look up a topic before the first message to it, and start reading results before the first command."""
        while name not in self._found:
            try:
                async with self._connecting:
                    if name not in self._found:
                        # On many brokers, sending to a missing topic would create it.
                        await partitions_of(self._connection, name)
                        if name == _COMMANDS:
                            self._answers = await self._stack.enter_async_context(reading_answers(self._connection))
                        self._found.add(name)
            except KafkaError as error:
                if not error.retriable:
                    raise
                await asyncio.sleep(_AGAIN_AFTER_SECONDS)

    async def _hand_over(
        self, name: str, organization: str, value: bytes, headers: Headers
    ) -> "asyncio.Future[RecordMetadata]":
        if len(value) > self._max_value_bytes:
            raise TooLarge(len(value), self._max_value_bytes)
        topic = self._connection.topic(name)
        handed: asyncio.Future[RecordMetadata] = await self._producer.send(
            topic, value, key=organization.encode(), headers=headers
        )
        return handed

    async def _headers(self, token: Token | None) -> Headers:
        headers: Headers = [("content-type", CONTENT_TYPE)]
        token = token if token is not None else self._token
        if token is not None:
            given = token() if callable(token) else token
            text = await given if inspect.isawaitable(given) else given
            headers.append(("authorization", f"Bearer {text}".encode()))
        return headers
