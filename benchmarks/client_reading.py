"""`python -m benchmarks.client_reading`: how fast the client library reads a backlog of changes of payers.

Beside it, in the same run, the same records read by bare aiokafka: `getmany`, as many at a time, and nothing done with
them. Subscriber and Payers keep what they must in a SQLite file.
"""

import asyncio
import signal
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import orjson
import typer

from benchmarks.failures import BenchmarkFailed
from benchmarks.installations import installed, servers
from benchmarks.progress import step
from benchmarks.report import environment_facts
from benchmarks.traffic import Message, ends, observing, partitions_of, send
from schemas.topics import Topic
from schemas.watermarks import WATERMARK_KEY
from whopays_client import BindingChanged, Connection, Payers, SQLiteStore, Subscriber
from workers.runtime.settings import Settings

_SECONDS_TO_READ = 600.0
_FIRST = datetime(2026, 1, 1, tzinfo=UTC)
_AT_ONCE = 20_000

Reader = Callable[[Settings, int, SQLiteStore], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Measured:
    """Events per second from connecting until all are handled, and the microseconds of CPU that each took."""

    reader: str
    per_second: float
    cpu_microseconds: float


program = typer.Typer(pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]})


@program.command()
def main(
    events: Annotated[int, typer.Option(min=1_000, help="Changes of payers to read.")] = 100_000,
    projects: Annotated[int, typer.Option(min=1, help="Projects that they are of.")] = 2_000,
    rounds: Annotated[int, typer.Option(min=1, help="How often each reads all; the median is told.")] = 3,
    json: Annotated[Path | None, typer.Option(help="Write all figures to this file.")] = None,
) -> None:
    """Measure events per second, and CPU per event, of Subscriber and Payers beside bare `getmany`."""
    try:
        environment, found = asyncio.run(_run(events, projects, rounds))
    except BenchmarkFailed as failure:
        typer.echo(f"The benchmark failed: {failure}", err=True)
        raise typer.Exit(1) from None
    for name in READERS:
        mine = [one for one in found if one.reader == name]
        typer.echo(
            f"{name:11} {median(one.per_second for one in mine):9,.0f} events/s, "
            f"{median(one.cpu_microseconds for one in mine):6.1f} µs CPU each"
        )
    if json is not None:
        document = {"environment": environment, "measured": [asdict(one) for one in found]}
        json.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


async def _run(events: int, projects: int, rounds: int) -> tuple[dict[str, Any], list[Measured]]:
    found = []
    with servers() as addresses:
        async with installed(addresses) as settings:
            await _fill(settings, events, projects)
            with step("Measurements", rounds * len(READERS)) as show:
                for _ in range(rounds):
                    for name in READERS:
                        found.append(await _measured(settings, name, events))
                        show(len(found))
            return await environment_facts(settings), found


async def _measured(settings: Settings, name: str, events: int) -> Measured:
    with tempfile.TemporaryDirectory(prefix="whopays-bench-") as folder:
        store = SQLiteStore(Path(folder) / "store.sqlite")
        try:
            begun, cpu = time.perf_counter(), time.process_time()
            await READERS[name](settings, events, store)
            took, used = time.perf_counter() - begun, time.process_time() - cpu
        finally:
            store.close()
    return Measured(name, events / took, used / events * 1e6)


async def _bare(settings: Settings, events: int, _: SQLiteStore) -> None:
    since = dict.fromkeys(partitions_of(settings, settings.topic(Topic.BINDINGS)), 0)
    async with observing(settings, Topic.BINDINGS, since, keep=False) as observer:
        await observer.see(events)


async def _subscriber(settings: Settings, events: int, store: SQLiteStore) -> None:
    seen = 0
    async with Subscriber(_connection(settings), store, "bench", [BindingChanged], until_end=True) as subscriber:
        async for change in subscriber:
            seen += change.event.change == "Superseded"
    if seen != events:
        raise BenchmarkFailed(f"the subscriber was handed {seen} changes of {events}")


async def _payers(settings: Settings, events: int, store: SQLiteStore) -> None:
    async with Payers(_connection(settings), store, "bench") as payers:
        await payers.until(_FIRST + timedelta(seconds=events - 1), _SECONDS_TO_READ)


READERS: dict[str, Reader] = {"getmany": _bare, "Subscriber": _subscriber, "Payers": _payers}


def _connection(settings: Settings) -> Connection:
    return Connection(settings.kafka_bootstrap_servers, settings.topic_prefix)


async def _fill(settings: Settings, events: int, projects: int) -> None:
    """Put the changes on their topic, as whopays writes them, and the watermark that closes them."""
    topic = settings.topic(Topic.BINDINGS)
    messages = list(changes(events, projects))
    for low in range(0, events, _AT_ONCE):
        await send(settings, topic, messages[low : low + _AT_ONCE])
    offsets = await ends(settings, topic)
    in_order = [offsets[partition] for partition in sorted(offsets)]
    until = _text(events)
    closed = _event("Watermark", f"watermark-{until}", "bindings", events, offsets=in_order, closedUntil=until)
    await send(settings, settings.topic(Topic.WATERMARKS), [Message(WATERMARK_KEY, orjson.dumps(closed))])


def changes(events: int, projects: int) -> Iterator[Message]:
    for number in range(events):
        organization, project = f"org-{number % projects % 20}", f"project-{number % projects}"
        subject, round_, now = f"{organization}/{project}", number // projects, _text(number)
        before = _text(number - projects)
        event = _event(
            "BindingChanged", f"0-{number + 1}", subject, number,
            organization=organization, project=project, change="Superseded",
            current={
                "bindingId": f"{number:032}", "account": ("main", "spare")[round_ % 2], "establishedAt": now,
                "currencyCode": "EUR",
                "paymentTerms": {
                    "netDays": 30, "invoiceFrequency": "Monthly", "invoiceDayOfMonth": 1,
                    "earlyPaymentDiscount": None, "latePaymentPenalty": None,
                },
            },
            previous={
                "bindingId": f"{number - projects:032}", "account": ("spare", "main")[round_ % 2],
                "establishedAt": before, "endedAt": now,
            },
            cause={"commandId": f"c{number}", "by": "alice"},
        )  # fmt: skip
        event |= {"sequence": f"{round_ + 1:020}", "causationid": f"c{number}", "authid": "alice"}
        yield Message(subject.encode(), orjson.dumps(event))


def _event(name: str, event_id: str, subject: str, number: int, **data: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0", "id": event_id, "source": "/whopays/bench", "type": f"io.milo.billing.{name}.v1",
        "time": _text(number), "subject": subject, "partitionkey": subject, "data": data,
    }  # fmt: skip


def _text(number: int) -> str:
    return (_FIRST + timedelta(seconds=number)).isoformat(timespec="microseconds").replace("+00:00", "Z")


if __name__ == "__main__":
    # Told to end, it ends its servers first, as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    program()
