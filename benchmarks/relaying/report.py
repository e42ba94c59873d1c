"""The figures of the relay and of Debezium, as tables for people and as JSON."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from benchmarks.relaying.measuring import Latency, Throughput

MEASURED_THROUGHPUT = (
    "from SIGCONT to a publisher that has warmed up and is held while the outbox is filled, until a read_committed "
    "consumer has got the last event"
)
MEASURED_LATENCY = "from the return of COMMIT until a read_committed consumer has got the event"


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured and how, in rounds by publisher; whopays is named first."""

    size: Mapping[str, Any]
    environment: Mapping[str, Any]
    throughput: Mapping[str, Sequence[Throughput]]
    latency: Mapping[str, Sequence[Latency]]

    def ratios(self) -> dict[str, float]:
        """Return whopays' figures as multiples of the other's; nothing when it ran alone."""
        if len(self.throughput) < 2:
            return {}
        return {title: figure(self, "whopays") / figure(self, "Debezium") for title, figure in _FIGURES.items()}


_FIGURES: dict[str, Callable[[Report, str], float]] = {
    "events_per_second": lambda report, name: median(one.per_second for one in report.throughput[name]),
    "latency_median": lambda report, name: median(one.median for one in report.latency[name]),
    "latency_percentile_99": lambda report, name: median(one.percentile_99 for one in report.latency[name]),
}


def show(report: Report) -> None:
    """Print the figures."""
    console = Console()
    database = report.environment["postgresql"]
    console.print(f"[bold]relaying[/]: {', '.join(f'{name} {value}' for name, value in report.size.items())}")
    console.print(
        f"Python {report.environment['python']}, {report.environment['cores']} cores, PostgreSQL "
        f"{database['server_version']}, fsync {database['fsync']}, synchronous_commit {database['synchronous_commit']}"
    )
    console.print(_throughput(report))
    console.print(f"Measured {MEASURED_THROUGHPUT}.\n")
    console.print(_latency(report))
    console.print(f"Measured {MEASURED_LATENCY}.\n")
    console.print(_usage("a backlog", report.throughput))
    console.print(_usage("paced", report.latency))
    for title, ratio in report.ratios().items():
        console.print(f"{title}: [bold]{ratio:.2f}[/] times Debezium's")


def write(report: Report, path: Path) -> None:
    """Write everything to a file as JSON; times in seconds, sizes in bytes."""
    summary = {name: {title: figure(report, name) for title, figure in _FIGURES.items()} for name in report.throughput}
    document = asdict(report) | {"summary": summary, "ratios": report.ratios()}
    document |= {"measured": {"throughput": MEASURED_THROUGHPUT, "latency": MEASURED_LATENCY}}
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))


def _throughput(report: Report) -> Table:
    table = Table("events/s, of a backlog")
    for column in ("median", "spread", "rounds"):
        table.add_column(column, justify="right")
    for name, rounds in report.throughput.items():
        rates = [one.per_second for one in rounds]
        shown = ", ".join(f"{rate:,.0f}" for rate in rates)
        table.add_row(name, f"{median(rates):,.0f}", f"{(max(rates) - min(rates)) / median(rates):.0%}", shown)
    return table


def _latency(report: Report) -> Table:
    table = Table("latency, paced")
    for column in ("events/s", "median", "99th percentile", "longest", "medians of the rounds"):
        table.add_column(column, justify="right")
    for name, rounds in report.latency.items():
        table.add_row(
            name,
            f"{median(one.per_second for one in rounds):,.0f}",
            f"{median(one.median for one in rounds) * 1e3:.1f} ms",
            f"{median(one.percentile_99 for one in rounds) * 1e3:.1f} ms",
            f"{max(one.longest for one in rounds) * 1e3:.1f} ms",
            ", ".join(f"{one.median * 1e3:.1f}" for one in rounds),
        )
    return table


def _usage(title: str, measured: Mapping[str, Sequence[Throughput] | Sequence[Latency]]) -> Table:
    table = Table(f"medians, {title}")
    for column in ("process", "CPU", "per event", "peak memory"):
        table.add_column(column, justify="left" if column == "process" else "right")
    for name, rounds in measured.items():
        for process in rounds[0].usage:
            cpu = median(one.usage[process].cpu_seconds for one in rounds)
            peak = median(one.usage[process].peak_bytes for one in rounds)
            each = cpu / rounds[0].events * 1e6
            memory = f"{peak / 2**20:,.0f} MiB" if peak else ""
            table.add_row(name, process, f"{cpu:.2f} s", f"{each:,.1f} µs", memory)
    return table
