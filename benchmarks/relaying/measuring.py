"""Measured rounds, the same for every outbox: the rate of a backlog, the latency of paced events; all is verified."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from statistics import median, quantiles
from typing import Any

import orjson
import psutil
from aiokafka import ConsumerRecord

from benchmarks.failures import BenchmarkFailed
from benchmarks.processes import Program, check_of
from benchmarks.relaying.events import EVENTS_PER_COMMAND, Rebindings
from benchmarks.relaying.outbox import Outbox
from benchmarks.traffic import Observer, Offsets, ends, observing
from benchmarks.usage import Usage, metered
from schemas.outgoing import Outgoing, headers_of
from workers.runtime.settings import Settings

_TRANSACTION_COMMANDS = 1_000
_QUIET_SECONDS = 1.0
"""For the servers to finish what the filling left to do."""

_Headers = dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Throughput:
    """A backlog that was published; `usage` is by process."""

    events: int
    seconds: float
    per_second: float
    usage: Mapping[str, Usage]


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from a commit's return until a `read_committed` reader has the event; `usage` is by process."""

    events: int
    per_second: float
    median: float
    percentile_99: float
    longest: float
    usage: Mapping[str, Usage]


class Measurement:
    """What all rounds have in common: the installation, the servers' processes, and the events that go on."""

    def __init__(self, settings: Settings, servers: Mapping[str, Any]) -> None:
        self._settings = settings
        self._servers = servers
        self._rebindings = Rebindings()

    async def throughput(self, outbox: Outbox, events: int) -> Throughput:
        """Fill the outbox while its publisher is held, let it go, and see all. Raises BenchmarkFailed."""
        transactions = list(_transactions(self._rebindings.of(events // EVENTS_PER_COMMAND)))
        count = sum(map(len, transactions))
        async with outbox.publishing() as programs:
            await self._warm_up(outbox, programs, min(count, 10 * _TRANSACTION_COMMANDS))
            async with self._observing(outbox) as observer:
                for program in programs:
                    program.hold()
                for transaction in transactions:
                    await outbox.append(transaction)
                await asyncio.sleep(_QUIET_SECONDS)
                async with self._metered(programs) as usage:
                    began = time.perf_counter()
                    for program in programs:
                        program.let_go()
                    seconds = await observer.see(count, check_of(programs)) - began
                await observer.expect_no_more(count)
                await _verify(outbox, observer.records)
        return Throughput(count, seconds, count / seconds, usage)

    async def latency(self, outbox: Outbox, per_second: int, seconds: float) -> Latency:
        """Commit the events of one command at a time, at a steady pace, and see each. Raises BenchmarkFailed."""
        commands = int(per_second * seconds) // EVENTS_PER_COMMAND
        async with outbox.publishing() as programs:
            await self._warm_up(outbox, programs, _TRANSACTION_COMMANDS)
            async with self._observing(outbox) as observer:
                async with self._metered(programs) as usage:
                    seeing = asyncio.create_task(_arrivals(observer, programs, commands * EVENTS_PER_COMMAND))
                    began = time.perf_counter()
                    committed = await self._append_paced(outbox, commands, EVENTS_PER_COMMAND / per_second)
                    took = time.perf_counter() - began
                    arrived = await seeing
                await observer.expect_no_more(len(committed))
                await _verify(outbox, observer.records)
        latencies = [arrived[identity] - at for identity, at in committed.items()]
        percentile_99 = quantiles(latencies, n=100)[-1]
        rate = len(latencies) / took
        return Latency(len(latencies), rate, median(latencies), percentile_99, max(latencies), usage)

    async def _append_paced(self, outbox: Outbox, commands: int, interval: float) -> dict[str, float]:
        """Return when each event's transaction had committed, by id."""
        committed: dict[str, float] = {}
        began = time.perf_counter()
        for number in range(commands):
            await asyncio.sleep(began + number * interval - time.perf_counter())
            identities = await outbox.append(self._rebindings.of(1))
            committed |= dict.fromkeys(identities, time.perf_counter())
        return committed

    async def _warm_up(self, outbox: Outbox, programs: Sequence[Program], events: int) -> None:
        """Have some events published, so that the publisher has connected and done everything once."""
        async with self._observing(outbox) as observer:
            for transaction in _transactions(self._rebindings.of(events // EVENTS_PER_COMMAND)):
                await outbox.append(transaction)
            await observer.see(events, check_of(programs))

    @asynccontextmanager
    async def _observing(self, outbox: Outbox) -> AsyncIterator[Observer]:
        await outbox.mark()
        since: Offsets = {}
        for topic in outbox.topics:
            since |= await ends(self._settings, topic)
        async with observing(self._settings, " and ".join(outbox.topics), since) as observer:
            yield observer

    @asynccontextmanager
    async def _metered(self, programs: Sequence[Program]) -> AsyncIterator[dict[str, Usage]]:
        ours = {program.name: program.process for program in programs}
        processes = {**ours, **self._servers, "benchmark (observer)": psutil.Process()}
        async with metered(processes) as usage:
            yield usage


def _transactions(events: Iterable[Outgoing]) -> Iterable[list[Outgoing]]:
    remaining = iter(events)
    while transaction := list(islice(remaining, _TRANSACTION_COMMANDS * EVENTS_PER_COMMAND)):
        yield transaction


async def _arrivals(observer: Observer, programs: Sequence[Program], count: int) -> dict[str, float]:
    """Return when each event was seen, by id."""
    arrived: dict[str, float] = {}
    while len(observer.records) < count:
        seen = len(observer.records)
        at = await observer.see(seen + 1, check_of(programs))
        for record in observer.records[seen:]:
            arrived.setdefault(orjson.loads(record.value)["id"], at)
    return arrived


async def _verify(outbox: Outbox, records: Sequence[ConsumerRecord]) -> None:
    """Make sure that all rows since the mark were seen, byte for byte, each once and in the order of its key."""
    wanted: dict[tuple[str, bytes], list[tuple[bytes, _Headers]]] = defaultdict(list)
    for row in await outbox.appended():
        wanted[row.topic, row.key].append((row.value, dict(headers_of(row.value))))
    seen: dict[tuple[str, bytes], list[tuple[bytes, _Headers]]] = defaultdict(list)
    for record in records:
        # Debezium adds a header of its own, and one without a value where an attribute is absent.
        headers = {name: value for name, value in record.headers if name != "id" and value is not None}
        seen[record.topic, record.key].append((record.value, headers))
    wrong = [place for place in wanted.keys() | seen.keys() if wanted[place] != seen[place]]
    if wrong:
        raise BenchmarkFailed(f"of {len(wrong)} keys not every event was published once and in order: {wrong[:3]}")
