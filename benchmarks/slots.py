"""`python -m benchmarks.slots`: two relays on two slots beside one, each with a part of a core, and one on a core."""

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from statistics import median
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.failures import BenchmarkFailed
from benchmarks.installations import installed, servers
from benchmarks.processes import Program, whopays
from benchmarks.progress import step
from benchmarks.relaying.measuring import Measurement, Throughput
from benchmarks.relaying.ours import Ours
from benchmarks.scarcity import limited
from benchmarks.usage import OTHERS, server_processes
from db.engine import create_engine
from workers.runtime.roles import Role
from workers.runtime.settings import Settings

_OBSERVER = "benchmark (observer)"
program = typer.Typer(pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]})


class Divided(Ours):
    """The log, published by as many relays as there are slots, each with a part of a core."""

    def __init__(self, settings: Settings, engine: AsyncEngine, slots: int, cores: float) -> None:
        super().__init__(settings, engine)
        self._slots = slots
        self._cores = cores

    @asynccontextmanager
    async def publishing(self) -> AsyncIterator[Sequence[Program]]:
        """Run the relays; begin when each has its slot."""
        changed = {"WHOPAYS_RELAY_SLOTS": str(self._slots), "WHOPAYS_RELAY_LEASE_SECONDS": "2"}
        with ExitStack() as stack:
            programs = stack.enter_context(whopays(self._settings, *[(Role.RELAY,)] * self._slots, changed=changed))
            for one in programs:
                one.wait_until_said(b"relay_publishes")
            for one in programs:
                stack.enter_context(limited(one.process.pid, self._cores))
            yield programs


@program.command()
def main(
    events: Annotated[int, typer.Option(min=2_000, help="Events of a backlog.")] = 100_000,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds in turn, after one that does not count.")] = 5,
    slots: Annotated[int, typer.Option(min=2, help="Relays, each on a slot, beside one on one.")] = 2,
    cores: Annotated[float, typer.Option(min=0.02, max=1, help="Part of a core that each relay gets.")] = 0.25,
) -> None:
    """Measure the events per second of a backlog that one relay publishes, and several."""
    try:
        asyncio.run(_run(events, rounds, slots, cores))
    except BenchmarkFailed as failure:
        typer.echo(f"The benchmark failed: {failure}", err=True)
        raise typer.Exit(1) from None


async def _run(events: int, rounds: int, slots: int, cores: float) -> None:
    with servers() as addresses:
        processes = server_processes()
        async with AsyncExitStack() as stack:
            settings = await stack.enter_async_context(installed(addresses))
            engine = create_engine(settings.database_url)
            stack.push_async_callback(engine.dispose)
            measurement = Measurement(settings, processes)
            measured: dict[int, list[Throughput]] = {1: [], slots: []}
            with step("Rounds, after one that does not count", 2 * (1 + rounds)) as show_done:
                for number in range(1 + rounds):
                    for place, relays in enumerate(measured, 1):
                        one = await measurement.throughput(Divided(settings, engine, relays, cores), events)
                        if number > 0:
                            measured[relays].append(one)
                        show_done(2 * number + place)
    _show(measured, cores)


def _show(measured: dict[int, list[Throughput]], cores: float) -> None:
    table = Table(f"relays, each on a slot, with {cores:g} of a core")
    for column in ("events/s", "rounds", "CPU of an event: relays", "PostgreSQL", "Kafka", "all processes busy"):
        table.add_column(column, justify="right")
    for relays, rounds in measured.items():
        by_relays = [sum(use.cpu_seconds for name, use in one.usage.items() if _is_relay(name)) for one in rounds]
        busy = [sum(use.cpu_seconds for use in one.usage.values()) / one.seconds for one in rounds]
        table.add_row(
            str(relays),
            f"{median(one.per_second for one in rounds):,.0f}",
            ", ".join(f"{one.per_second:,.0f}" for one in rounds),
            f"{median(cpu / one.events for cpu, one in zip(by_relays, rounds, strict=True)) * 1e6:.1f} µs",
            *(
                f"{median(one.usage[name].cpu_seconds / one.events for one in rounds) * 1e6:.1f} µs"
                for name in ("PostgreSQL", "Apache Kafka")
            ),
            f"{median(busy):.2f} cores",
        )
    console = Console()
    console.print(table)
    (first, alone), (more, together) = measured.items()
    ratios = [each.per_second / one.per_second for one, each in zip(alone, together, strict=True)]
    console.print(
        f"{more} relays beside {first}, round by round: {', '.join(f'{ratio:.2f}' for ratio in ratios)}; "
        f"median [bold]{median(ratios):.2f}[/] times the events/s"
    )


def _is_relay(name: str) -> bool:
    return name not in {"PostgreSQL", "Apache Kafka", _OBSERVER, OTHERS}


if __name__ == "__main__":
    # Told to end, it ends its processes first, as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    program()
