"""`python -m benchmarks.capacity`: how far an installation goes and what breaks first, computed from measured costs.

What a command costs each part is read from the figures that `make bench` wrote. All else here is arithmetic on them and
on the assumptions below, and a simulation of what waits for what: nothing is measured, and the output says so.
"""

import json
import math
import random
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median, quantiles
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

BUSY = 0.6
"""The share of a core that a part may need at the peak. Beyond it waiting grows faster than load (`--simulate`)."""

LARGEST_DATABASE_CORES = 32
"""Cores of one PostgreSQL server, from which on a second server is cheaper than a larger one."""

FACTORS = (1, 3, 10, 30, 100)
"""The growth that is planned for, as multiples of what was measured."""

WAL_BYTES_PER_SECOND = 200e6
"""What one PostgreSQL server writes, archives and sends to a standby."""

PARTITIONS_OF_A_WORKER = 4
"""Partitions of a topic for each worker, so that the fullest worker has not twice the work of the emptiest."""


_ROWS = (
    "commands/s",
    "workers",
    "relays",
    "databases of cores",
    "cores of Kafka",
    "partitions",
    "shards",
    "goes up to",
    "breaks",
)


@dataclass(frozen=True, slots=True)
class Costs:
    """What a command costs: seconds of a core by part, bytes of WAL; and the rate it was measured at."""

    worker: float
    relay: float
    database: float
    kafka: float
    wal_bytes: float
    commands_per_second: float
    transaction_seconds: float
    """What a transaction of a worker takes besides its commands."""


@dataclass(frozen=True, slots=True)
class Installation:
    """How many there are of each: workers and relays have one core each, servers as many as stated."""

    workers: int = 1
    relays: int = 1
    database_cores: int = 2
    databases: int = 1
    kafka_cores: int = 2

    def limits(self, costs: Costs) -> dict[str, float]:
        """Return the commands per second that each part bears at its peak."""
        return {
            "worker": self.workers * BUSY / costs.worker,
            "relay": self.relays * BUSY / costs.relay,
            "database": self.databases * self.database_cores * BUSY / costs.database,
            "WAL": self.databases * WAL_BYTES_PER_SECOND / costs.wal_bytes,
            "Kafka": self.kafka_cores * BUSY / costs.kafka,
        }

    def relieved(self, part: str) -> "Installation":
        """Return an installation with twice as much of the part that breaks first."""
        match part:
            case "worker":
                return replace(self, workers=self.workers * 2)
            case "relay":
                return replace(self, relays=self.relays * 2)
            case "database" if self.database_cores < LARGEST_DATABASE_CORES:
                return replace(self, database_cores=self.database_cores * 2)
            case "database" | "WAL":
                return replace(self, databases=self.databases * 2)
            case _:
                return replace(self, kafka_cores=self.kafka_cores * 2)

    @property
    def partitions(self) -> int:
        """The partitions that each input topic needs at least."""
        return max(12, self.workers * PARTITIONS_OF_A_WORKER)

    @property
    def shards(self) -> int:
        """The shards that it needs at least: as many as there are partitions, or a multiple of them."""
        return self.partitions * math.ceil(48 / self.partitions)


@dataclass(frozen=True, slots=True)
class Step:
    """An installation, how far it goes, and what breaks first."""

    installation: Installation
    commands_per_second: float
    breaks: str


def read_costs(results: Mapping[str, Any]) -> Costs:
    """Return the costs that a file of `make bench` holds; the medians of the rounds of its workload `rebinding`."""
    rounds = results["workloads"]["rebinding"]["rounds"]
    whopays, single = rounds["whopays"], rounds["batches of one"]

    def cpu(process: str) -> float:
        return float(median(one["usage"][process]["cpu_seconds"] / one["commands"] for one in whopays))

    worker = cpu("admin-commands")
    return Costs(
        worker=worker,
        relay=cpu("relay"),
        database=cpu("PostgreSQL"),
        kafka=cpu("Apache Kafka"),
        wal_bytes=median(one["wal_bytes"] / one["commands"] for one in whopays),
        commands_per_second=median(one["per_second"] for one in whopays),
        transaction_seconds=max(0.0, 1 / max(one["per_second"] for one in single) - worker),
    )


def growth(costs: Costs, wanted: float) -> Iterator[Step]:
    """Yield installations, each with twice as much of what broke first in the one before, until the rate is borne."""
    installation = Installation()
    while True:
        limits = installation.limits(costs)
        breaks = min(limits, key=lambda part: limits[part])
        yield Step(installation, limits[breaks], breaks)
        if limits[breaks] >= wanted:
            return
        installation = installation.relieved(breaks)


def waiting(costs: Costs, load: float, *, commands: int = 40_000, most: int = 500, seed: int = 1) -> list[float]:
    """Return how long commands wait and are worked on by one worker, in seconds, in the order in which they came.

    They come at random (Poisson) at a part of the rate that the worker bears. It takes up all that waits, at most
    `most`, in one transaction, which costs what a transaction does and what its commands do.
    """
    drawn = random.Random(seed)
    per_command = costs.worker
    arrivals, now = deque[float](), 0.0
    for _ in range(commands):
        now += drawn.expovariate(load / per_command)
        arrivals.append(now)
    taken: list[float] = []
    free = 0.0
    while arrivals:
        begins = max(free, arrivals[0])
        batch: list[float] = []
        while arrivals and arrivals[0] <= begins and len(batch) < most:
            batch.append(arrivals.popleft())
        free = begins + costs.transaction_seconds + per_command * len(batch)
        taken += [free - came for came in batch]
    return taken


def _show_costs(console: Console, costs: Costs) -> None:
    parts = {"worker": costs.worker, "PostgreSQL": costs.database, "relay": costs.relay, "Kafka": costs.kafka}
    console.print("A command costs " + ", ".join(f"{name} {cost * 1e6:.0f} µs" for name, cost in parts.items()))
    console.print(f"of a core, and {costs.wal_bytes:,.0f} B of WAL. It was measured with all of them on one machine,")
    console.print(f"at {costs.commands_per_second:,.0f} commands/s. What follows is computed.\n")


def _show_growth(console: Console, costs: Costs, factors: Sequence[float]) -> None:
    table = Table("times today", title="What it takes, and what breaks first", title_justify="left")
    columns: list[Sequence[str]] = []
    for factor in factors:
        table.add_column(f"{factor:g}", justify="right", no_wrap=True)
        wanted = factor * costs.commands_per_second
        *_, step = growth(costs, wanted)
        it = step.installation
        databases = f"{it.databases} of {it.database_cores}"
        counts = (f"{wanted:,.0f}", it.workers, it.relays, databases, it.kafka_cores, it.partitions, it.shards)
        columns.append([*map(str, counts), f"{step.commands_per_second:,.0f}", step.breaks])
    for name, values in zip(_ROWS, zip(*columns, strict=True), strict=True):
        table.add_row(name, *values)
    console.print(table)
    console.print(
        f"Workers and relays are processes of a core each; no part is busy more than {BUSY:.0%}.\n"
        f"One organization goes as far as one worker: {BUSY / costs.worker:,.0f} commands/s.\n"
    )


def _show_waiting(console: Console, costs: Costs) -> None:
    table = Table(title="With the worker (simulated)", title_justify="left")
    for name in ("load", "median", "99 %", "longest"):
        table.add_column(name, justify="right")
    for load in (0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95):
        taken = waiting(costs, load)
        table.add_row(
            f"{load:.0%}",
            f"{median(taken) * 1e3:.1f} ms",
            f"{quantiles(taken, n=100)[98] * 1e3:.1f} ms",
            f"{max(taken) * 1e3:.1f} ms",
        )
    console.print(table)
    console.print("The relay, and Kafka's way there and back, come on top: docs/performance.md.")


def main(
    results: Annotated[
        Path, typer.Argument(help="What `make bench ARGS='--json FILE'` wrote.", exists=True, dir_okay=False)
    ] = Path("docs/performance/results.json"),
    simulate: Annotated[bool, typer.Option("--simulate", help="Also simulate how long commands wait.")] = False,
) -> None:
    """Compute how far an installation goes, and what breaks first on the way."""
    costs = read_costs(json.loads(results.read_bytes()))
    console = Console()
    _show_costs(console, costs)
    _show_growth(console, costs, FACTORS)
    if simulate:
        _show_waiting(console, costs)


if __name__ == "__main__":
    typer.run(main)
