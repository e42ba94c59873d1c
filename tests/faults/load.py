"""Records of every kind, sent continuously while something is broken, by a producer that never gives up."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError

from tests.faults.mixture import Mixture
from tests.faults.signing import Signatures
from tests.support.installations import Installation
from tests.support.messages import Headers, Said

DEFAULT_RATE = 100.0
_AT_ONCE = 500
_DELIVERY_SECONDS = 30.0
_STOP_SECONDS = 60.0
_CLOSE_SECONDS = 3.0
_TICK_SECONDS = 0.1
_AGAIN_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Sent:
    """A record that was sent, and where the broker said it is; without a place it may or may not be there."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    partition: int | None
    offset: int | None


@dataclass
class Load:
    """Facts, commands and poison over many organizations, drawn from a seed.

    `sent` is what was acknowledged; `doubtful` are copies whose delivery failed or was given up: such a record may lie
    in its topic any number of times, besides the one that was acknowledged later. `deleted_below` is for a test that
    deletes records: the first offset left, by topic (without prefix) and partition; `made_faulty` for one that makes
    the handling of records fail: their places, as `topic/partition/offset` without prefix; `widened` for one that adds
    partitions: how many a topic (without prefix) has then. Where the installation checks tokens, every command has one.
    """

    installation: Installation
    seed: int = 0
    rate: float = DEFAULT_RATE
    organizations: int = 12
    huge_projects: int = 0
    sent: list[Sent] = field(default_factory=list)
    doubtful: list[Sent] = field(default_factory=list)
    deleted_below: dict[tuple[str, int], int] = field(default_factory=dict)
    made_faulty: set[str] = field(default_factory=set)
    widened: dict[str, int] = field(default_factory=dict)
    mixture: Mixture = field(init=False)
    signatures: Signatures | None = field(init=False)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _producer: AIOKafkaProducer | None = None

    def __post_init__(self) -> None:
        self.mixture = Mixture(self.seed, self.organizations, self.huge_projects)
        issuer = self.installation.issuer
        self.signatures = None if issuer is None else Signatures(issuer, self.seed)

    async def begin(self) -> None:
        """Send what everything else builds on."""
        beginning = self.mixture.beginning()
        while records := list(islice(beginning, _AT_ONCE)):
            await self._deliver(records)

    async def say(self, *records: Said) -> None:
        """Send these records."""
        await self._deliver(records)

    async def say_unsigned(self, *records: Said) -> None:
        """Send these records as they are, with a token or without."""
        await self._deliver(records, is_signed=False)

    async def go_on(self) -> None:
        """Send at the rate until stopped, which takes effect between two groups of records."""
        scenes = self.mixture.scenes()
        if self.signatures is not None:
            self.signatures.is_odd = True
        began, owed = time.monotonic(), 0
        while not self._stopping.is_set():
            due = (time.monotonic() - began) * self.rate
            records: list[Said] = []
            while owed + len(records) < due and len(records) < _AT_ONCE:
                records += next(scenes)
            if records:
                owed += len(records)
                await self._deliver(records)
                # Records held up by an outage are not sent in addition later.
                owed = max(owed, int((time.monotonic() - began - 1) * self.rate))
            await self._pause(_TICK_SECONDS)

    def stop(self) -> None:
        """Ask it to stop; what is in flight is still waited for."""
        self._stopping.set()

    async def close(self) -> None:
        """Close the producer."""
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await producer.stop()
            except Exception:  # noqa: BLE001 (whatever it is, this producer is not used again)
                await _drop(producer)

    async def _deliver(self, records: Sequence[Said], *, is_signed: bool = True) -> None:
        """Send records until each is acknowledged, or the load was stopped and its patience has run out."""
        left, deadline = list(records), None
        if self.signatures is not None and is_signed:
            left = list(map(self.signatures.signed, left))
        while left:
            left = await self._tried(left)
            if not left:
                return
            # After a failed delivery the producer is not used for another.
            await self.close()
            if self._stopping.is_set():
                deadline = deadline or time.monotonic() + _STOP_SECONDS
                if time.monotonic() > deadline:
                    return
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _tried(self, records: Sequence[Said]) -> list[Said]:
        """Send records once, record the outcome of each, and return those that failed."""
        deliveries: list[Any] = []
        try:
            async with asyncio.timeout(_DELIVERY_SECONDS):
                producer = await self._connected()
                for one in records:
                    topic = f"{self.installation.prefix}{one.topic}"
                    deliveries.append(await producer.send(topic, one.value, one.key, headers=list(one.headers)))
                await asyncio.wait(deliveries)
        except Exception:  # noqa: BLE001 (whatever the broker's absence is called: what was not delivered is sent again)
            await self.close()
            if not deliveries:
                return list(records)
        return [one for place, one in enumerate(records) if not self._noted(one, deliveries[place : place + 1])]

    def _noted(self, one: Said, delivery: Sequence[Any]) -> bool:
        """Record where a record was written, if it was delivered, and return whether it was."""
        is_delivered = (
            bool(delivery) and delivery[0].done() and not delivery[0].cancelled() and not delivery[0].exception()
        )
        place = delivery[0].result() if is_delivered else None
        if place is not None:
            self.sent.append(_sent(one, place.partition, place.offset))
        else:
            self.doubtful.append(_sent(one, None, None))
        return place is not None

    async def _connected(self) -> AIOKafkaProducer:
        if self._producer is None:
            # Whoever closes the load closes a producer that never started, too.
            self._producer = AIOKafkaProducer(
                bootstrap_servers=self.installation.kafka_bootstrap_servers,
                enable_idempotence=True,
                # Shorter than the patience with a group: an undelivered record fails before it is sent again.
                request_timeout_ms=int(_DELIVERY_SECONDS * 800),
            )
            await self._producer.start()
        return self._producer

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()


@asynccontextmanager
async def loaded(
    installation: Installation,
    *,
    seed: int = 0,
    rate: float = DEFAULT_RATE,
    organizations: int = 12,
    huge_projects: int = 0,
    begun: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[Load]:
    """Keep records flowing for the length of a block; `rate` is in records per second.

    With `huge_projects` one organization has an account that pays for so many, which is suspended now and then.
    `begun` waits, where that matters, until what everything else builds on has been decided.
    """
    load = Load(installation, seed, rate, organizations, huge_projects)
    flowing = None
    try:
        await load.begin()
        if begun is not None:
            await begun()
        flowing = asyncio.create_task(load.go_on())
        yield load
    finally:
        load.stop()
        if flowing is not None:
            await flowing
        await load.close()


async def _drop(producer: AIOKafkaProducer) -> None:
    """Drop a producer that cannot flush: pending records fail, and none of its tasks is left behind."""
    producer._message_accumulator.fail_all(KafkaConnectionError("the load gave the producer up"))
    await producer.client.close()
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_CLOSE_SECONDS):
            await producer._sender.close()


def _sent(said: Said, partition: int | None, offset: int | None) -> Sent:
    return Sent(str(said.topic), said.key, said.value, said.headers, partition, offset)
