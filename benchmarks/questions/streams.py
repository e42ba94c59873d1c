"""What is streamed: an account's month of intervals, and events as they are committed."""

import asyncio
import time
from contextlib import suppress
from datetime import timedelta

import orjson

from benchmarks.failures import BenchmarkFailed
from benchmarks.questions.client import connected, get
from benchmarks.questions.filling import BEGIN, END, HUGE, MAIN, Filled
from benchmarks.questions.report import Measured
from benchmarks.questions.service import Service
from db.engine import create_engine
from db.log import append, chain_rows, ensure_partitions
from db.placing import shard_of
from db.shards import lock_shards, move_heads
from schemas.events import BindingChanged, Cause, CurrentBinding
from schemas.instants import format_instant
from schemas.outgoing import Outgoing
from workers.runtime.settings import Settings

_LOOK_SECONDS = 0.05
_EVENTS = 200
_PAUSE_SECONDS = 0.02
_EVENTS_OF_MANY, _PAUSE_OF_MANY_SECONDS = 20, 1.0
_LINES = "application/x-ndjson"


async def month(service: Service, filled: Filled) -> Measured:
    """Measure every interval in which an account with very many projects paid within a month."""
    path = f"/v1/organizations/{HUGE}/accounts/{MAIN}/intervals"
    period = f"from={format_instant(BEGIN + timedelta(days=1))}&until={format_instant(END)}"
    lines, last, most = 0, b"", service.memory_bytes()
    looked = began = time.perf_counter()
    async with connected(service.port) as connection:
        with service.metered() as used:
            async for part in connection.stream(get(f"{path}?{period}", _LINES)):
                lines += part.count(b"\n")
                last = (last + part)[-500:]
                if time.perf_counter() - looked > _LOOK_SECONDS:
                    most, looked = max(most, service.memory_bytes()), time.perf_counter()
            seconds = time.perf_counter() - began
    told = orjson.loads(last.splitlines()[-1])
    if told.get("items") != lines - 1 or lines - 1 < filled.sizes[HUGE]:
        raise BenchmarkFailed(f"the month is not complete: {lines} lines, then {told}")
    return Measured("intervals of a month, NDJSON", lines - 1, (lines - 1) / seconds, [], used.cpu_seconds, most)


async def events(service: Service, settings: Settings, filled: Filled) -> Measured:
    """Measure the time from the end of COMMIT until a reader of an organization's stream has the event."""
    organization = filled.organizations[0]
    came: dict[int, float] = {}
    complete = asyncio.Event()

    async def read() -> None:
        async with connected(service.port) as connection:
            request = get(f"/v1/organizations/{organization}/events", "text/event-stream")
            async for part in connection.stream(request):
                now = time.perf_counter()
                for line in part.splitlines():
                    if line.startswith(b"id: "):
                        came[int(line.rpartition(b"-")[2])] = now
                if len(came) >= _EVENTS:
                    complete.set()

    reading = asyncio.create_task(read())
    try:
        with service.metered() as used:
            began = time.perf_counter()
            committed = await _commit(settings, organization)
            async with asyncio.timeout(10):
                await complete.wait()
            seconds = time.perf_counter() - began
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
    times = [came[position] - at for position, at in committed.items()]
    return Measured("events after their commit", _EVENTS, _EVENTS / seconds, times, used.cpu_seconds)


async def many_streams(service: Service, settings: Settings, filled: Filled, number: int) -> list[Measured]:
    """Measure the time from the end of COMMIT until each of very many readers of one organization's stream has it.

    And how fast questions are answered meanwhile, and what the streams hold.
    """
    organization = filled.organizations[0]
    came: list[tuple[int, float]] = []
    complete = asyncio.Event()

    async def read(begun: asyncio.Event) -> None:
        async with connected(service.port) as connection:
            request = get(f"/v1/organizations/{organization}/events", "text/event-stream")
            async for part in connection.stream(request):
                begun.set()
                now = time.perf_counter()
                came.extend(
                    (int(line.rpartition(b"-")[2]), now) for line in part.splitlines() if line.startswith(b"id: ")
                )
                if len(came) == number * _EVENTS_OF_MANY:
                    complete.set()

    before = service.memory_bytes()
    reading: list[asyncio.Task[None]] = []
    try:
        for _ in range(number):
            begun = asyncio.Event()
            reading.append(asyncio.create_task(read(begun)))
            await begun.wait()
        held = service.memory_bytes() - before
        with service.metered() as used:
            began = time.perf_counter()
            committed = await _commit(settings, organization, _EVENTS_OF_MANY, _PAUSE_OF_MANY_SECONDS)
            await complete.wait()
            seconds = time.perf_counter() - began
        async with connected(service.port) as connection:
            asked = []
            for _ in range(_EVENTS_OF_MANY):
                sent = time.perf_counter()
                await connection.ask(get(f"/v1/organizations/{organization}"))
                asked.append(time.perf_counter() - sent)
    finally:
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
    times = [at - committed[position] for position, at in came]
    told = f"an event to {number:,} streams"
    return [
        Measured(told, len(times), len(times) / seconds, times, used.cpu_seconds, held),
        Measured(f"a question beside {number:,} streams", len(asked), len(asked) / sum(asked), asked),
    ]


async def _commit(
    settings: Settings, organization: str, number: int = _EVENTS, pause_seconds: float = _PAUSE_SECONDS
) -> dict[int, float]:
    """Commit events one by one; return when each was, by its position."""
    shard = shard_of(organization, settings.shards)
    committed = {}
    engine = create_engine(settings.database_url)
    try:
        async with engine.begin() as connection:
            await ensure_partitions(connection)
        for _ in range(number):
            await asyncio.sleep(pause_seconds)
            async with engine.begin() as connection:
                heads, instant = await lock_shards(connection, [shard])
                event = BindingChanged(
                    organization=organization,
                    project="project-0000000",
                    change="Bound",
                    current=CurrentBinding(
                        binding_id="b",
                        account=MAIN,
                        established_at=instant,
                        currency_code="EUR",
                        payment_terms=None,
                    ),
                    previous=None,
                    cause=Cause(command_id="c", by="benchmark"),
                )
                key = f"{organization}/project-0000000"
                outgoing = Outgoing(event, organization, key, key.encode(), instant, 1, "c", "benchmark", {})
                rows, heads = chain_rows(heads, [(shard, outgoing)], settings.source, instant)
                await append(connection, rows)
                await move_heads(connection, heads)
            committed[heads[shard].position] = time.perf_counter()
    finally:
        await engine.dispose()
    return committed
