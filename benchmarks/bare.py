"""What latency of whopays is compared with: producing in Kafka transactions, and seeing what was committed.

The same paced stream that whopays gets is handed over within this process: each item is two events, with the bytes of
real ones. A loop takes whatever has been handed over, publishes it in one transaction, pauses as the relay does, and
begins again while there is more. The time runs from the hand-over until a `read_committed` consumer has the event.
"""

import asyncio
import time
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer

from benchmarks.failures import BenchmarkFailed
from benchmarks.pacing import arrivals_of, keep_pace, seeing, undisturbed
from benchmarks.samples import Sample, samples_of_a_rebinding
from benchmarks.traffic import ends, observing
from workers.publishing.producer import SETTLE_SECONDS
from workers.runtime.settings import Settings

BINDINGS, RESULTS = "bare-bindings", "bare-results"
_KEY_BYTES = 34
"""As long as `organization-00000/project-0000000`."""
_BATCH_BYTES = 1024 * 1024


async def bare_times(settings: Settings, items: int, per_second: float) -> list[float]:
    """Return the seconds that each item took, in their order. Raises BenchmarkFailed."""
    bindings = settings.topic(BINDINGS)
    loop = _Loop(await samples_of_a_rebinding(settings, BINDINGS, RESULTS))
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        transactional_id=f"{settings.installation}-bare",
        max_batch_size=_BATCH_BYTES,
    )
    try:
        await producer.start()
        async with observing(settings, bindings, await ends(settings, bindings)) as observer:
            publishing = asyncio.create_task(loop.publish(producer, items))
            with undisturbed():
                async with seeing(observer, items):
                    await keep_pace(items, per_second, loop.hand_over)
                    await publishing
            await observer.expect_no_more(items)
            seen = {int(record.key): at for record, at in arrivals_of(observer)}
    finally:
        await producer.stop()
    if len(seen) != items:
        raise BenchmarkFailed(f"{len(seen)} of {items} items came out of the bare loop")
    return [seen[number] - loop.handed_over[number] for number in range(items)]


class _Loop:
    """Publishes what was handed over, one transaction after the other."""

    def __init__(self, events: Sequence[Sample]) -> None:
        self._events = events
        self._more = asyncio.Event()
        self.handed_over: list[float] = []

    async def hand_over(self, since: int, until: int) -> None:
        """Take the items of these numbers."""
        self.handed_over += [time.perf_counter()] * (until - since)
        self._more.set()

    async def publish(self, producer: AIOKafkaProducer, items: int) -> None:
        """Publish until all items are out."""
        published = 0
        while published < items:
            await self._more.wait()
            self._more.clear()
            there = len(self.handed_over)
            async with producer.transaction():
                for number in range(published, there):
                    key = b"%0*d" % (_KEY_BYTES, number)
                    for event in self._events:
                        await producer.send(event.topic, key=key, value=event.value, headers=event.headers)
            published = there
            await asyncio.sleep(SETTLE_SECONDS)
