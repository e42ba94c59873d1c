"""The state that all questions of a server share: connections, known snapshots, and whether it is stopping."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from db.questions.payers import PayerQuestion
from db.questions.payers import payers as ask_payers
from db.questions.snapshots import Snapshot
from db.reading import ReadingPool, create_reading_engine, reading_pool
from db.sealing import LocalKeys
from db.shard_ranges import ShardRanges, shard_ranges
from service.gathering import Gathering
from service.heavy import Heavy
from service.metrics import ServiceMetrics
from service.tails import Tails
from service.waking import Waking
from workers.runtime.metrics import Exemplar
from workers.runtime.settings import Settings
from workers.runtime.tokens.verifying import Tokens
from workers.runtime.traces import Said

Trace = Callable[[str, str | None, float, float, Said, bool], Exemplar | None]
"""Records an answered request: the name of its span, the request's `traceparent`, when it began and ended, the span's
attributes, and whether it failed. Returns the exemplar for its metrics; None if it is not recorded."""

_LANES = 2
"""How many statements about single projects run at a time."""


@dataclass(slots=True)
class State:
    """A server's state. `known` has the latest snapshot of each shard that it answered from.

    Without `tokens`, every client that reaches the server is trusted; without `keys`, no contact can be decrypted.
    """

    settings: Settings
    pool: ReadingPool
    metrics: ServiceMetrics
    stopping: asyncio.Event
    openapi: bytes
    payers: Gathering[PayerQuestion, tuple[Snapshot, dict[str, Any] | None]]
    waking: Waking
    tails: Tails
    heavy: Heavy
    tokens: Tokens | None
    keys: LocalKeys | None
    ranges: ShardRanges
    trace: Trace | None = None
    known: dict[int, Snapshot] = field(default_factory=dict)

    def shard_of(self, organization: str) -> int:
        """Return the shard of an organization."""
        return self.settings.shard_of(organization)

    def is_of(self, organization: str, event: tuple[int, int]) -> bool:
        """Return whether an event, by its shard and position, may belong to an organization, now or in future."""
        shard, position = event
        return shard in self.ranges.shards_of(organization) and not self.ranges.is_beyond(shard, position)


@asynccontextmanager
async def opened(
    settings: Settings, stopping: asyncio.Event, openapi: bytes, trace: Trace | None
) -> AsyncIterator[State]:
    """Yield the state of a server, with its connections. Raises MissingKey."""
    keys = keys_of(settings)
    size, seconds = settings.database_pool_size, settings.serve_statement_seconds
    engine = create_reading_engine(settings.database_url, pool_size=size, statement_seconds=seconds)
    try:
        async with (
            AsyncExitStack() as stack,
            reading_pool(settings.database_url, pool_size=size, statement_seconds=seconds) as pool,
        ):
            metrics, tokens = ServiceMetrics(checks_tokens=settings.auth != "trusted"), None
            if settings.auth != "trusted":
                tokens = await stack.enter_async_context(Tokens(settings, metrics.instruments))
            metrics.watch_pool(lambda: pool.in_use, lambda: pool.idle, size)
            payers = Gathering(pool, ask_payers, lanes=_LANES)
            async with pool.acquire() as connection:
                ranges = await shard_ranges(connection)
            waking = Waking(engine)
            tails = Tails(pool, waking, ranges)
            async with running(waking.run(), tails.run(), _end_waits(stopping, waking, tails)):
                heavy = Heavy(settings.serve_heavy_requests)
                yield State(
                    settings,
                    pool,
                    metrics,
                    stopping,
                    openapi,
                    payers,
                    waking,
                    tails,
                    heavy,
                    tokens,
                    keys,
                    ranges,
                    trace,
                )
    finally:
        await engine.dispose()


def keys_of(settings: Settings) -> LocalKeys | None:
    """Return the keys that decrypt contacts; None if the server has none. Raises MissingKey if they are wrong."""
    return settings.keys() if settings.encryption_keys else None


@asynccontextmanager
async def running(*roles: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run coroutines in the background, and cancel them at the end."""
    tasks = [asyncio.create_task(role) for role in roles]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _end_waits(stopping: asyncio.Event, waking: Waking, tails: Tails) -> None:
    """Wake all waiting requests when the server stops."""
    await stopping.wait()
    waking.end()
    tails.wake()
