"""`python -m benchmarks.lone`: where the time of a command goes that comes alone, by the spans of whopays itself.

One command after the other, each acknowledged by the broker before the clock starts, and its event seen by a
`read_committed` reader before the next is sent. All are traced; all processes share one machine, and so one clock.
"""

import asyncio
import random
import time
from collections import defaultdict
from statistics import median, quantiles

import typer

from benchmarks.failures import BenchmarkFailed
from benchmarks.fleet import Fleet, Rebinding, establish
from benchmarks.installations import installed, servers
from benchmarks.pacing import undisturbed
from benchmarks.processes import check_of, whopays
from benchmarks.progress import step
from benchmarks.traffic import ends, observing, producing
from schemas.topics import Topic
from tests.support.collector import Collector, Told, collecting
from workers.runtime.metric import Step
from workers.runtime.roles import Role
from workers.runtime.settings import Settings

_WARM_UP = 50
_LONGEST_PAUSE_SECONDS = 0.05
_TOLD_SECONDS = 30.0
_SPANS = 3
"""Of a command: its decision, and its two events."""
_PARTS = (
    "until its batch begins",
    *Step,
    "the rest of the batch",
    "until its transaction begins",
    "transaction",
    "until it is seen",
)


def main(commands: int = 400) -> None:
    """Send commands alone, and print the milliseconds of each part."""
    typer.echo(asyncio.run(_run(commands)))


async def _run(commands: int) -> str:
    with servers() as addresses, collecting() as collector:
        async with installed(addresses) as settings:
            fleet = Fleet(20, 200)
            await establish(fleet, settings)
            sent = fleet.rebindings(_WARM_UP + commands)
            acknowledged, seen = await _send(settings, collector, sent)
            numbers = range(_WARM_UP, len(sent))
            await _told(collector, numbers)
            parts: dict[str, list[float]] = defaultdict(list)
            for number in numbers:
                for name, seconds in _parts_of(collector, number, acknowledged[number], seen[number]).items():
                    parts[name].append(1000 * seconds)
    rows = [
        f"{name:30} {median(parts[name]):6.2f} {quantiles(parts[name], n=100)[98]:6.2f}" for name in (*_PARTS, "all")
    ]
    return "\n".join([f"{'milliseconds':30} median   99 %", *rows])


async def _send(settings: Settings, collector: Collector, sent: list[Rebinding]) -> tuple[list[float], list[float]]:
    """Return when (`time.time`) each command was acknowledged, and when its event was seen."""
    commands, bindings = settings.topic(Topic.ADMIN_COMMANDS), settings.topic(Topic.BINDINGS)
    acknowledged, seen = [], []
    chance = random.Random(7)
    changed = collector.environment()
    with whopays(settings, (Role.ADMIN_COMMANDS,), (Role.RELAY,), changed=changed) as programs:
        async with (
            observing(settings, bindings, await ends(settings, bindings)) as observer,
            producing(settings) as producer,
        ):
            with undisturbed(), step("Commands", len(sent)) as show:
                for number, rebinding in enumerate(sent):
                    message = rebinding.message
                    headers = [*message.headers, ("traceparent", f"00-{_trace(number)}-b7ad6b7169203331-01".encode())]
                    await producer.send_and_wait(commands, message.value, message.key, headers=headers)
                    acknowledged.append(time.time())
                    await observer.see(number + 1, check_of(programs))
                    seen.append(time.time())
                    show(number + 1)
                    # Not in step with anything that looks from time to time.
                    await asyncio.sleep(chance.uniform(0, _LONGEST_PAUSE_SECONDS))
    return acknowledged, seen


async def _told(collector: Collector, numbers: range) -> None:
    """Wait until the collector knows all of them, and what they link to. Raises BenchmarkFailed."""

    def is_told(number: int) -> bool:
        spans = collector.of(_trace(number))
        return len(spans) == _SPANS and {link for span in spans for link in span.links} <= known

    known: set[tuple[str, str]] = set()
    until = time.monotonic() + _TOLD_SECONDS
    while not all(map(is_told, numbers)):
        if time.monotonic() > until:
            raise BenchmarkFailed("the collector was not told of every command")
        await asyncio.sleep(0.1)
        known = {span.context for span in collector.spans}


def _parts_of(collector: Collector, number: int, acknowledged: float, seen: float) -> dict[str, float]:
    spans = collector.of(_trace(number))
    (decided,) = [span for span in spans if span.name.startswith("decide ")]
    (published,) = [span for span in spans if span.name.endswith(Topic.BINDINGS)]
    batch, transaction = _linked(collector, decided), _linked(collector, published)
    parts = dict.fromkeys(_PARTS, 0.0)
    for span in collector.of(batch.trace_id):
        if span is not batch:
            parts[span.name] += (span.ended - span.began) / 1e9
    parts["the rest of the batch"] = (batch.ended - batch.began) / 1e9 - sum(parts.values())
    parts["until its batch begins"] = batch.began / 1e9 - acknowledged
    parts["until its transaction begins"] = (transaction.began - batch.ended) / 1e9
    parts["transaction"] = (transaction.ended - transaction.began) / 1e9
    parts["until it is seen"] = seen - transaction.ended / 1e9
    return parts | {"all": seen - acknowledged}


def _linked(collector: Collector, span: Told) -> Told:
    (context,) = span.links
    return collector.by_context(context)


def _trace(number: int) -> str:
    return f"{number + 1:032x}"


if __name__ == "__main__":
    typer.run(main)
