"""Sends a command or fact to a running whopays and waits for its outcome. Independent of the terminal."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from sqlalchemy.ext.asyncio import AsyncEngine

from db import log
from db.engine import create_engine
from db.questions.results import published_results
from db.shards import all_heads
from schemas.message_types import short_type
from schemas.outgoing import CONTENT_TYPE
from schemas.results import Outcome
from schemas.topics import INPUT_TOPICS, Topic
from workers.consuming.subscription import consumer_group
from workers.runtime.kafka import kafka_options, kafka_reading_options
from workers.runtime.roles import Role
from workers.runtime.settings import Settings
from workers.topics.cluster import administration, partitions_of

INTERIM = frozenset({Outcome.SCHEDULED, Outcome.WAITING})
"""Outcomes after which a further result follows."""

_PAGE_ROWS = 1000
_LOOK_AGAIN_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Message:
    """A structured CloudEvent to send to `topic` (without prefix). Validating it is left to the service.

    A command carries the sender's `token`, if there is one.
    """

    event: dict[str, Any]
    topic: Topic
    token: str | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The short name of its type, such as `BindProject`."""
        return short_type(self.event["type"])

    @property
    def is_command(self) -> bool:
        """Whether it will be answered by a result."""
        return self.topic is Topic.ADMIN_COMMANDS

    @property
    def organization(self) -> str | None:
        """Its organization, if it names one."""
        data = self.event.get("data")
        organization = data.get("organization") if isinstance(data, dict) else None
        return organization if isinstance(organization, str) else None

    @property
    def key(self) -> bytes | None:
        """The record key: the organization."""
        return self.organization.encode() if self.organization else None

    @property
    def value(self) -> bytes:
        """The record's value."""
        return json.dumps(self.event, ensure_ascii=False).encode()

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        """The record's headers."""
        bearer = [("authorization", f"Bearer {self.token}".encode())] if self.token and self.is_command else []
        return [("content-type", CONTENT_TYPE), *bearer]


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of a message that was written at `place` (topic/partition/offset).

    `is_handled`: the service has read it. A command has a `result` (not published yet if only `is_handled` is set),
    which is an earlier one if `is_repeat`; a fact has the `events` that it caused. Either may be a `dead_letter`.
    """

    place: str
    is_handled: bool
    result: dict[str, Any] | None = None
    is_repeat: bool = False
    dead_letter: dict[str, Any] | None = None
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_interim(self) -> bool:
        """Whether a further result follows."""
        return (
            self.result is not None and self.result["data"]["outcome"] in INTERIM and not self.result["data"]["dryRun"]
        )


class Exchange:
    """An open connection to an installation, for any number of messages, one at a time."""

    def __init__(
        self,
        settings: Settings,
        engine: AsyncEngine,
        admin: AIOKafkaAdminClient,
        producer: AIOKafkaProducer,
        results: AIOKafkaConsumer,
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._admin = admin
        self._producer = producer
        self._results = results

    async def send(self, message: Message, timeout_seconds: float) -> Answer:
        """Send a message; return its outcome, or what is known of it at the timeout."""
        topic = self._settings.topic(message.topic)
        async with self._engine.connect() as connection:
            heads = await all_heads(connection)
        sent = await self._producer.send_and_wait(topic, message.value, key=message.key, headers=message.headers)
        boundary = message.organization or ""
        followed = {self._settings.shard_of(name) for name in (boundary, f"{topic}/{sent.partition}")}
        after = {shard: heads[shard].position for shard in followed}
        place = f"{topic}/{sent.partition}/{sent.offset}"
        deadline = time.monotonic() + timeout_seconds
        is_handled = False
        while time.monotonic() < deadline:
            published = await self._published_result(message)
            if published is not None:
                is_repeat = published["data"].get("repeated", False)
                return Answer(place, is_handled=True, result=published, is_repeat=is_repeat)
            if not is_handled and await self._is_committed(message.topic, sent.partition, sent.offset):
                is_handled = True
                answer = await self._kept_answer(message, place, after)
                if answer is not None:
                    return answer
        return Answer(place, is_handled)

    async def final(self, message: Message, answer: Answer) -> Answer:
        """Wait for the final result after an interim one, for as long as it takes."""
        while answer.is_interim:
            published = await self._published_result(message)
            if published is not None:
                answer = Answer(answer.place, is_handled=True, result=published)
        return answer

    async def _published_result(self, message: Message) -> dict[str, Any] | None:
        """Poll briefly for published results of a command; return the last one."""
        if not message.is_command:
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
            return None
        batches = await self._results.getmany(timeout_ms=int(_LOOK_AGAIN_SECONDS * 1000))
        published: list[dict[str, Any]] = [orjson.loads(one.value) for records in batches.values() for one in records]
        return next((event for event in reversed(published) if _answers(event, message)), None)

    async def _is_committed(self, topic: Topic, number: int, offset: int) -> bool:
        """Return whether the service has read past a record of an input topic's partition."""
        partition = TopicPartition(self._settings.topic(topic), number)
        try:
            offsets = await self._admin.list_consumer_group_offsets(
                # The role that reads an input topic has the topic's name.
                consumer_group(self._settings, Role(topic)),
                partitions=[partition],
            )
        except KafkaError as error:
            # On a new broker, a group that has never had a member has no coordinator.
            if error.retriable:
                return False
            raise
        # aiokafka omits partitions if the group's coordinator answers that it is still loading.
        committed = offsets.get(partition)
        return committed is not None and bool(committed.offset > offset)

    async def _kept_answer(self, message: Message, place: str, after: dict[int, int]) -> Answer | None:
        """Return the answer to a handled message, from the log; None if its result is yet to be published."""
        caused = []
        # Closed at once, with its connection, even if it is not read to the end.
        async with aclosing(self._logged(after)) as logged:
            async for event in logged:
                if event["subject"] == place:
                    return Answer(place, is_handled=True, dead_letter=event)
                if message.is_command and _answers(event, message):
                    return None
                if event.get("causationid") == message.event.get("id"):
                    caused.append(event)
        if not message.is_command:
            return Answer(place, is_handled=True, events=caused)
        identity = (message.organization or "", message.event["id"], message.event["source"])
        async with self._engine.connect() as connection:
            earlier = await published_results(connection, *identity)
        return Answer(place, is_handled=True, result=orjson.loads(earlier[0]), is_repeat=True) if earlier else None

    async def _logged(self, after: dict[int, int]) -> AsyncGenerator[dict[str, Any], None]:
        async with self._engine.connect() as connection:
            for shard, position in after.items():
                rows = await log.read(connection, {shard: position}, _PAGE_ROWS)
                while rows:
                    for row in rows:
                        yield orjson.loads(row.value)
                    rows = await log.read(connection, {shard: rows[-1].position}, _PAGE_ROWS)


@asynccontextmanager
async def open_exchange(settings: Settings) -> AsyncIterator[Exchange]:
    """Connect to an installation. Raises TopicMissing, KafkaError, and what the database's driver raises."""
    async with AsyncExitStack() as stack:
        engine = create_engine(settings.database_url, pool_size=2)
        stack.push_async_callback(engine.dispose)
        admin = await stack.enter_async_context(administration(settings))
        needed = [settings.topic(topic) for topic in (*INPUT_TOPICS, Topic.COMMAND_RESULTS)]
        found = await partitions_of(admin, needed)
        answers = [one for one in found if one.topic == settings.topic(Topic.COMMAND_RESULTS)]
        producer = AIOKafkaProducer(
            **kafka_options(settings),
            acks="all",
            enable_idempotence=True,
            max_request_size=2 * settings.max_value_bytes,
        )
        stack.push_async_callback(producer.stop)
        await producer.start()
        results = AIOKafkaConsumer(**kafka_reading_options(settings))
        stack.push_async_callback(results.stop)
        await results.start()
        results.assign(answers)
        await results.seek_to_end()
        # The client looks the end up lazily, which after the first message would be too late.
        for partition in answers:
            await results.position(partition)
        yield Exchange(settings, engine, admin, producer, results)


def _answers(event: dict[str, Any], message: Message) -> bool:
    data = event["data"]
    answered = (data.get("organization"), data.get("commandSource"), data.get("commandId"))
    return answered == (message.organization, message.event.get("source"), message.event.get("id"))
