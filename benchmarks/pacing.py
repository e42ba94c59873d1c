"""Commands sent at a pace, and how long each took from the broker's acknowledgement until its event was seen."""

import asyncio
import gc
import time
from bisect import bisect_left
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer, ConsumerRecord

from benchmarks.failures import BenchmarkFailed
from benchmarks.fleet import Rebinding
from benchmarks.traffic import Observer

PERCENTILES = (*map(float, range(100)), 99.5, 99.9, 100.0)
"""Those of a latency's curve."""

_SECONDS_BETWEEN_SENDS = 0.001
_LARGEST_LAG_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from the broker's acknowledgement of a command until a `read_committed` reader has its event.

    `curve` has the times at the `PERCENTILES`.
    """

    commands: int
    median: float
    p90: float
    p99: float
    longest: float
    curve: tuple[float, ...]


def latency_of(times: Sequence[float]) -> Latency:
    """Sum up times in seconds. Raises BenchmarkFailed when there are none."""
    if not times:
        raise BenchmarkFailed("there is no command whose latency counts: measure for longer")
    ordered = sorted(times)

    def at(percent: float) -> float:
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]

    return Latency(len(ordered), median(ordered), at(90), at(99), ordered[-1], tuple(map(at, PERCENTILES)))


@contextmanager
def undisturbed() -> Iterator[None]:
    """Keep this process's garbage collection, whose pauses are not the contender's, out of what is timed."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def keep_pace(amount: int, per_second: float, act: Callable[[int, int], Awaitable[None]]) -> None:
    """Call `act(since, until)` with the next numbers below the amount when they are due.

    Raises BenchmarkFailed when the present process, and not the contender, is too slow.
    """
    began = time.perf_counter()
    done = 0
    while done < amount:
        due = min(amount, int((time.perf_counter() - began) * per_second) + 1)
        if due > done:
            await act(done, due)
            done = due
        if time.perf_counter() - began > done / per_second + _LARGEST_LAG_SECONDS:
            raise BenchmarkFailed(f"the benchmark itself cannot keep the pace of {per_second:.0f} commands per second")
        await asyncio.sleep(_SECONDS_BETWEEN_SENDS)


@asynccontextmanager
async def seeing(observer: Observer, count: int, check: Callable[[], None] = lambda: None) -> AsyncIterator[None]:
    """Have the observer see so many records in all while something else is done, and wait for the last one."""
    task = asyncio.create_task(observer.see(count, check))
    try:
        yield
        await task
    finally:
        task.cancel()


class Acknowledged:
    """Sends commands, and knows when (`time.perf_counter`) the broker has acknowledged each, by its id."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, commands: Sequence[Rebinding]) -> None:
        self._producer = producer
        self._topic = topic
        self._commands = commands
        self.at: dict[str, float] = {}

    async def send(self, since: int, until: int) -> None:
        """Send the commands of these numbers."""
        for command in self._commands[since:until]:
            message = command.message
            delivery = await self._producer.send(self._topic, key=message.key, value=message.value)
            delivery.add_done_callback(partial(self._note, command.identity))

    def _note(self, identity: str, delivery: "asyncio.Future[Any]") -> None:
        if not delivery.cancelled() and delivery.exception() is None:
            self.at[identity] = time.perf_counter()


def arrivals_of(observer: Observer) -> Iterator[tuple[ConsumerRecord, float]]:
    """Yield the records of an observer that keeps them, and when (`time.perf_counter`) each had come."""
    counts = [count for _, count in observer.arrivals]
    for number, record in enumerate(observer.records, start=1):
        yield record, observer.arrivals[bisect_left(counts, number)][0]


def seen_at(observer: Observer) -> dict[str, float]:
    """Return by the id of its cause when (`time.perf_counter`) each event had come."""
    return {orjson.loads(record.value)["causationid"]: at for record, at in arrivals_of(observer)}


def times_of(acknowledged: Mapping[str, float], seen: Mapping[str, float]) -> dict[str, float]:
    """Return the seconds between by id, in the order of the acknowledgements. Raises BenchmarkFailed for a loss."""
    lost = acknowledged.keys() - seen.keys()
    if lost:
        raise BenchmarkFailed(f"{len(lost)} commands were acknowledged and caused no event, {min(lost)} among them")
    return {identity: seen[identity] - at for identity, at in acknowledged.items()}
