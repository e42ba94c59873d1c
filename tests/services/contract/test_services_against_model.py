"""Many organizations at once through real services, from topics to topics: each sees what its model sees."""

import asyncio
import base64
import contextlib
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from tests.support.installations import Installation
from tests.support.model.model import Model
from tests.support.model.said import COMMANDS, PROFILES, PROJECTS, Said
from tests.support.model.seen import Seen, grouped, seen
from tests.support.model.stories import Story

ORGANIZATIONS = 60
ROUNDS = 7
SOON_SECONDS = 4
"""When appointments are, if they can be decided before that; on a slower machine they are later."""
NEVER_SECONDS = 1800
PATIENCE_SECONDS = 60.0

MARKER = "marker"


class TooSlow(Exception):
    """Appointments were past before they were decided: the same story has to be told with later ones."""


async def test_the_services_agree_with_the_model(installation: Installation) -> None:
    for attempt in count():
        tellers = [Teller.of(seed, attempt) for seed in range(ORGANIZATIONS)]
        try:
            heard = await told(installation, tellers, SOON_SECONDS * 4**attempt)
        except TooSlow:
            continue
        for teller in tellers:
            assert grouped(heard[teller.organization]) == grouped(teller.expected), teller.told
        return


async def told(installation: Installation, tellers: "list[Teller]", soon_seconds: int) -> Mapping[str, list[Seen]]:
    """Tell all stories to the end, and return what came out, by organization. Raises TooSlow."""
    async with listening(installation) as listener, sending(installation) as producer:
        theatre = Theatre(installation.prefix, producer, listener, tellers)
        beginnings = [teller.story.prologue() for teller in tellers]
        for topic in (PROFILES, PROJECTS, COMMANDS):
            await theatre.act(topic, [[one for one in each if one.topic == topic] for each in beginnings])
        for number in range(ROUNDS):
            now = datetime.now(UTC)
            await theatre.act(COMMANDS, [teller.commands(now) for teller in tellers])
            facts = [[teller.story.project_fact()] for teller in tellers]
            await theatre.act(PROJECTS, facts)
            if number % 3 == 0:
                await theatre.act(PROFILES, [[teller.story.profile_fact(datetime.now(UTC))] for teller in tellers])
            if number in (1, 5) and not await theatre.let_appointments_fall_due(soon_seconds):
                break
        await theatre.hear_all()
    return listener.heard


@dataclass
class Teller:
    """One organization: its story, its model, and the events that should follow."""

    organization: str
    random: Random
    story: Story
    model: Model
    expected: list[Seen] = field(default_factory=list)
    told: list[Said] = field(default_factory=list)

    @classmethod
    def of(cls, seed: int, attempt: int) -> "Teller":
        """Return the teller for a seed, whose organization is a new one in each attempt."""
        random, name = Random(seed), f"organization-{seed}-{attempt}"
        story = Story(random, name, seconds_ahead=(NEVER_SECONDS,), settled_ahead=240.5)
        return cls(name, random, story, Model(name))

    def commands(self, now: datetime) -> list[Said]:
        """Return a few commands."""
        if self.random.randrange(100) < 40:
            return [*self.story.scene(now), self.story.command(now)]
        return [self.story.command(now) for _ in range(self.random.randrange(2, 6))]

    def hear(self, said: Said, now: datetime) -> None:
        """Let the model hear it."""
        self.told.append(said)
        self.expected += self.model.hear(said, now)


@dataclass
class Listener:
    """What came out, by organization; markers apart."""

    heard: defaultdict[str, list[Seen]] = field(default_factory=lambda: defaultdict(list))
    markers: set[tuple[str, str]] = field(default_factory=set)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def hear(self, envelope: dict[str, Any]) -> None:
        """Take in an event."""
        data = envelope["data"]
        if envelope["type"].endswith(".DeadLetter.v1"):
            organization = base64.b64decode(data["key"]).decode()
            if data["reason"] == "InvalidFact":
                self.markers.add((organization, f"{data['topic']}/{data['partition']}/{data['offset']}"))
                return
        else:
            organization = data["organization"]
            if data.get("commandSource") == MARKER:
                self.markers.add((organization, data["commandId"]))
                return
        self.heard[organization].append(seen(envelope))

    def has(self, teller: Teller) -> bool:
        """Return whether as many events came out as expected."""
        return len(self.heard[teller.organization]) >= len(teller.expected)

    async def wait(self, condition: Callable[[], bool]) -> bool:
        """Wait for them, and return whether they came."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS), self.changed:
                await self.changed.wait_for(condition)
        except TimeoutError:
            return False
        return True


@dataclass
class Theatre:
    """Sends the messages of all organizations at once, one topic at a time, and waits until all are decided."""

    prefix: str
    producer: AIOKafkaProducer
    listener: Listener
    tellers: list[Teller]
    acts: int = 0

    async def act(self, topic: str, said: list[list[Said]]) -> None:
        """Send to one topic, and wait until a marker sent last has come out for each organization."""
        self.acts += 1
        now = datetime.now(UTC)
        sent = []
        for teller, each in zip(self.tellers, said, strict=True):
            for one in each:
                teller.hear(one, now)
                await self._send(one)
            sent.append(await self._send(self._marker(topic, teller.organization)))
        expected = set()
        for teller, sending in zip(self.tellers, sent, strict=True):
            placed = await sending
            place = f"{placed.topic}/{placed.partition}/{placed.offset}"
            expected.add((teller.organization, f"act-{self.acts}" if topic == COMMANDS else place))
        is_over = await self.listener.wait(lambda: expected <= self.listener.markers)
        assert is_over, f"act {self.acts} on {topic} does not end: {sorted(expected - self.listener.markers)}"

    async def let_appointments_fall_due(self, soon_seconds: int) -> bool:
        """Make one appointment for each organization, and `hear_all` once they are past. Raises TooSlow."""
        now = datetime.now(UTC)
        chosen = [
            teller.story.expiry(now, soon_seconds)
            if teller.random.randrange(100) < 35
            else teller.story.appointment(now, soon_seconds)
            for teller in self.tellers
        ]
        for topic in (COMMANDS, PROFILES):
            await self.act(topic, [[one] if one.topic == topic else [] for one in chosen])
        if datetime.now(UTC) >= now + timedelta(seconds=soon_seconds):
            raise TooSlow
        # What waits does so from when it was decided, and all of it has been.
        await asyncio.sleep(soon_seconds)
        for teller in self.tellers:
            teller.expected += teller.model.pass_time(datetime.now(UTC))
        return await self.hear_all()

    async def hear_all(self) -> bool:
        """Wait for as many events as are expected, and return whether they came; the comparison tells what is wrong."""
        return await self.listener.wait(lambda: all(map(self.listener.has, self.tellers)))

    async def _send(self, said: Said) -> asyncio.Future[Any]:
        sending: asyncio.Future[Any] = await self.producer.send(
            f"{self.prefix}{said.topic}", key=said.organization.encode(), value=said.value()
        )
        return sending

    def _marker(self, topic: str, organization: str) -> Said:
        data: dict[str, Any] = {"organization": organization}
        match topic:
            case "projects":
                return Said("ProjectChanged", MARKER, data)
            case "payment-profiles":
                return Said("PaymentProfileChanged", MARKER, data)
            case _:
                dry = data | {"account": MARKER, "dryRun": True}
                return Said("WithdrawClosure", f"act-{self.acts}", dry, source=MARKER)


@asynccontextmanager
async def sending(installation: Installation) -> AsyncIterator[AIOKafkaProducer]:
    """Yield a producer."""
    producer = AIOKafkaProducer(
        bootstrap_servers=installation.kafka_bootstrap_servers, enable_idempotence=True, linger_ms=5
    )
    try:
        await producer.start()
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def listening(installation: Installation) -> AsyncIterator[Listener]:
    """Read all that is published and committed."""
    topics = ("bindings", "accounts", "notices", "command-results", "dead-letters")
    consumer = AIOKafkaConsumer(
        *(f"{installation.prefix}{topic}" for topic in topics),
        bootstrap_servers=installation.kafka_bootstrap_servers,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        group_id=None,
        fetch_max_wait_ms=50,
    )
    listener = Listener()

    async def read() -> None:
        while True:
            batches = await consumer.getmany(timeout_ms=200)
            async with listener.changed:
                for record in (record for records in batches.values() for record in records):
                    listener.hear(json.loads(record.value))
                listener.changed.notify_all()

    try:
        await consumer.start()
        reading = asyncio.create_task(read())
        yield listener
    finally:
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading
        await consumer.stop()
