"""`python -m benchmarks.relaying`: the relay alone, and with `--debezium` Debezium beside it on the same servers."""

import asyncio
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.failures import BenchmarkFailed
from benchmarks.installations import installed, servers
from benchmarks.progress import step
from benchmarks.relaying.debezium import installed_debezium
from benchmarks.relaying.measuring import Latency, Measurement, Throughput
from benchmarks.relaying.ours import Ours
from benchmarks.relaying.outbox import Outbox
from benchmarks.relaying.report import Report, show, write
from benchmarks.report import environment_facts
from benchmarks.usage import server_processes
from db.engine import create_engine
from embedded import Addresses, EmbeddedServices


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    events: int
    rounds: int
    paced_per_second: int
    paced_seconds: float
    debezium: bool


program = typer.Typer(pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]})


@program.command()
def main(
    events: Annotated[int, typer.Option(min=2_000, help="Events of a backlog.")] = 100_000,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds in turn, after one that does not count.")] = 5,
    paced_per_second: Annotated[int, typer.Option(min=2, help="Events per second for the latency.")] = 200,
    paced_seconds: Annotated[float, typer.Option(min=1, help="Seconds of a round for the latency.")] = 10.0,
    debezium: Annotated[bool, typer.Option(help="Measure Debezium too.")] = False,
    json: Annotated[Path | None, typer.Option(help="Write all figures to this file.")] = None,
) -> None:
    """Measure events per second and latency of the relay alone."""
    size = Size(events, rounds, paced_per_second, paced_seconds, debezium)
    try:
        report = asyncio.run(_run(size))
    except BenchmarkFailed as failure:
        typer.echo(f"The benchmark failed: {failure}", err=True)
        raise typer.Exit(1) from None
    show(report)
    if json is not None:
        write(report, json)


async def _run(size: Size) -> Report:
    with _servers(size) as addresses:
        processes = server_processes()
        async with AsyncExitStack() as stack:
            settings = await stack.enter_async_context(installed(addresses))
            engine = create_engine(settings.database_url)
            stack.push_async_callback(engine.dispose)
            outboxes: list[Outbox] = [Ours(settings, engine)]
            if size.debezium:
                outboxes.append(await stack.enter_async_context(installed_debezium(settings)))
            measurement = Measurement(settings, processes)
            throughput: dict[str, list[Throughput]] = {outbox.name: [] for outbox in outboxes}
            latency: dict[str, list[Latency]] = {outbox.name: [] for outbox in outboxes}
            with step("Rounds, after one that does not count", (1 + size.rounds) * len(outboxes)) as show_done:
                for number in range(1 + size.rounds):
                    for place, outbox in enumerate(outboxes, 1):
                        backlog = await measurement.throughput(outbox, size.events)
                        paced = await measurement.latency(outbox, size.paced_per_second, size.paced_seconds)
                        if number > 0:
                            throughput[outbox.name].append(backlog)
                            latency[outbox.name].append(paced)
                        show_done(number * len(outboxes) + place)
            return Report(asdict(size), await environment_facts(settings), throughput, latency)


@contextmanager
def _servers(size: Size) -> Iterator[Addresses]:
    """Yield the servers. Debezium needs a PostgreSQL with `wal_level = logical`, wherever it comes from."""
    if not size.debezium or "WHOPAYS_DATABASE_URL" in os.environ:
        with servers() as addresses:
            yield addresses
        return
    with (
        tempfile.TemporaryDirectory(prefix="whopays-bench-", ignore_cleanup_errors=True) as folder,
        EmbeddedServices(Path(folder), for_load=True, postgresql_settings={"wal_level": "logical"}) as embedded,
    ):
        yield embedded.start()


if __name__ == "__main__":
    # Told to end, it ends its processes first, as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    program()
