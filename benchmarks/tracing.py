"""What metrics and traces cost: batches on a real PostgreSQL with neither, with metrics, and with traces as well.

`python -m benchmarks.tracing` takes turns with all of these in one run, on the same commands, and states the CPU time
of this process, its thread that sends spans included, and its ratio to that of batches without either. `without, again`
is the same once more: how far its ratio is from 1 is what the others may be off by. Less of that is in the second
table: the CPU time that passes within the calls which count, record and send.
"""

import asyncio
import multiprocessing
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import median, quantiles
from typing import Annotated, Any
from unittest.mock import patch

import typer
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from rich.console import Console
from rich.table import Table

from benchmarks.fleet import Fleet, reports
from benchmarks.installations import installed, servers
from benchmarks.traffic import Message
from db.engine import create_engine
from schemas.facts import PaymentProfileChanged, ProjectChanged
from schemas.parsing import read_command, read_fact
from schemas.records import Record
from schemas.topics import Topic
from workers.batches.messages import Reader
from workers.batches.tracing import trace_batch
from workers.batches.transaction import Batches, Trace
from workers.process import tune_garbage_collection
from workers.publishing.packing import Publication, Traced
from workers.publishing.tracing import trace_transaction
from workers.runtime.metrics import Exemplar, Metrics
from workers.runtime.roles import Role
from workers.runtime.settings import Settings
from workers.runtime.spans import Spans

_SHARE = 100
"""One command of so many is sampled, except where all are."""
_WITHOUT, _AGAIN, _METRICS, _TRACES, _ALL = (
    "without", "without, again", "metrics", "metrics, traces of 1 %", "metrics, traces of all",
)  # fmt: skip
_EVENTS_OF_A_TRANSACTION = 2000


class _Spent:
    """CPU seconds of the threads that were within something."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextmanager
    def within(self) -> Iterator[None]:
        """Add what passes in the context."""
        began = time.thread_time()
        try:
            yield
        finally:
            self.seconds += time.thread_time() - began


class _Counting(Metrics):
    """Metrics that know what they take."""

    def __init__(self) -> None:
        super().__init__()
        self.spent = _Spent()

    def decided(self, *arguments: Any, **named: Any) -> None:
        """Count."""
        with self.spent.within():
            super().decided(*arguments, **named)

    def ignored(self, attributes: Any) -> None:
        """Count."""
        with self.spent.within():
            super().ignored(attributes)


class _Sending(OTLPSpanExporter):
    """Sends spans, and knows what it takes."""

    def __init__(self) -> None:
        super().__init__()
        self.spent = _Spent()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send."""
        with self.spent.within():
            return super().export(spans)


class _Silent(Metrics):
    """Metrics that count nothing of a batch."""

    def decided(self, *_: Any, **__: Any) -> None:
        """Count nothing."""

    def ignored(self, *_: Any) -> None:
        """Count nothing."""


async def _run(rounds: int, batches: int, size: int) -> None:
    with servers() as addresses, _collector() as endpoint:
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint
        async with installed(addresses) as settings:
            await _measure(settings, rounds, batches, size)


async def _measure(settings: Settings, rounds: int, batches: int, size: int) -> None:
    engine = create_engine(settings.database_url)
    metrics, silent, sending, recording = _Counting(), _Silent(), _Sending(), _Spent()
    spans = Spans(settings, [Role.ADMIN_COMMANDS], sending)

    def trace(*arguments: Any) -> Exemplar | None:
        with recording.within():
            return trace_batch(spans, *arguments)

    deciding = Batches(engine, settings, settings.keys(), metrics, asyncio.Event())
    ways: Mapping[str, tuple[Metrics, Trace | None, int]] = {
        _WITHOUT: (silent, None, _SHARE),
        _METRICS: (metrics, None, _SHARE),
        _TRACES: (metrics, trace, _SHARE),
        _ALL: (metrics, trace, 1),
        _AGAIN: (silent, None, _SHARE),
    }
    fleet = Fleet(200, 20_000)
    most = settings.max_value_bytes
    commands = partial(read_command, max_value_bytes=most, policy=settings.policy())
    facts = reports(fleet)
    process = partial(_process, deciding, settings, size)
    for topic, reader in (
        (Topic.PAYMENT_PROFILES, partial(read_fact, model=PaymentProfileChanged, max_value_bytes=most)),
        (Topic.PROJECTS, partial(read_fact, model=ProjectChanged, max_value_bytes=most)),
        (Topic.ADMIN_COMMANDS, commands),
    ):
        await process(topic, facts[topic], reader)
    tune_garbage_collection()
    costs: dict[str, list[float]] = {way: [] for way in ways}
    parts = {"metrics": metrics.spent, "spans": recording, "sending them": sending.spent}
    within = {way: dict.fromkeys(parts, 0.0) for way in ways}
    numbers = iter(range(1_000_000_000))
    for turn in range(rounds + 1):
        for way, (counting, tracing, share) in ways.items():
            before = {part: spent.seconds for part, spent in parts.items()}
            bound = [_bind(fleet, next(numbers), share) for _ in range(batches * size)]
            with patch.object(deciding, "_metrics", counting), patch.object(deciding, "_trace", tracing):
                began = time.process_time()
                await process(Topic.ADMIN_COMMANDS, bound, commands)
                spans.flush()  # what is recorded in a turn is sent in it: more often than otherwise
                seconds = time.process_time() - began
            if turn:  # the first one only warms up
                costs[way].append(seconds / len(bound) * 1e6)
                for part, spent in parts.items():
                    within[way][part] += (spent.seconds - before[part]) / len(bound) / rounds * 1e6
    _show(costs, within, _relay_microseconds(spans))
    await spans.close()
    await engine.dispose()


def _bind(fleet: Fleet, number: int, share: int) -> Message:
    """Return the next rebinding, of which one of `share` is sampled by its sender."""
    message = fleet.rebind(fleet.projects[number % len(fleet.projects)]).message
    trace_parent = f"00-{number + 1:032x}-{number + 1:016x}-{number % share == 0:02x}"
    return replace(message, headers=(*message.headers, ("traceparent", trace_parent.encode())))


async def _process(
    deciding: Batches, settings: Settings, size: int, topic: Topic, messages: Sequence[Message], reader: Reader
) -> None:
    for begin in range(0, len(messages), size):
        now = datetime.now(UTC)
        records = [
            Record(settings.topic(topic), 0, begin + number, now, one.key, one.headers, one.value)
            for number, one in enumerate(messages[begin : begin + size])
        ]
        await deciding.process(Role.ADMIN_COMMANDS, records, reader)


def _relay_microseconds(spans: Spans) -> float:
    """Return what the spans of the relay cost a command, which has two events, where one of a hundred is sampled."""
    traced = [
        Traced(f"00-{number + 1:032x}-{number + 1:016x}-01", f"0-{number}", topic, 0)
        for number in range(_EVENTS_OF_A_TRANSACTION // 2 // _SHARE)
        for topic in ("bindings", "command-results")
    ]
    publication, turns = Publication([], {}, _EVENTS_OF_A_TRANSACTION, 0, traced), 50
    began = time.process_time()
    for _ in range(turns):
        trace_transaction(spans, publication, time.time() - 1, time.time())
    return (time.process_time() - began) / turns / (_EVENTS_OF_A_TRANSACTION / 2) * 1e6


def _show(costs: Mapping[str, Sequence[float]], within: Mapping[str, Mapping[str, float]], relay: float) -> None:
    table = Table(title="Worker, CPU time of a command", title_justify="left")
    for column in ("batches", "microseconds", "ratio", "middle half of the ratios"):
        table.add_column(column, justify="left" if column == "batches" else "right")
    for way, found in costs.items():
        ratios = sorted(one / without for one, without in zip(found, costs[_WITHOUT], strict=True))
        first, _, third = quantiles(ratios, n=4)
        table.add_row(way, f"{median(found):.1f}", f"{median(ratios):.3f}", f"{first:.3f} to {third:.3f}")
    Console().print(table)
    without = median(costs[_WITHOUT])
    table = Table(title="Of that, microseconds of a command within calls, and their share", title_justify="left")
    table.add_column("batches")
    for part in within[_WITHOUT]:
        table.add_column(part, justify="right")
    for way in (_METRICS, _TRACES, _ALL):
        table.add_row(way, *(f"{one:.2f} ({one / without:.1%})" for one in within[way].values()))
    Console().print(table)
    Console().print(f"The relay's spans, where 1 % is sampled: {relay:.2f} microseconds a command")


@contextmanager
def _collector() -> Iterator[str]:
    """Yield the address of a collector that forgets what it gets, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_collect, args=(theirs,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()


def _collect(told: Any) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Forgetting)
    told.send(server.server_port)
    server.serve_forever()


class _Forgetting(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *_: Any) -> None:  # noqa: A002 (the name that the base class gives it)
        """Write no line for each request."""


def main(
    rounds: Annotated[int, typer.Option(min=2, help="How often each takes its turn.")] = 30,
    batches: Annotated[int, typer.Option(min=1, help="Batches of a turn.")] = 3,
    size: Annotated[int, typer.Option(min=1, help="Commands of a batch.")] = 500,
) -> None:
    """Measure what metrics and traces cost."""
    asyncio.run(_run(rounds, batches, size))


if __name__ == "__main__":
    typer.run(main)
