"""The figures of a workload, as a table for people and as JSON."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from benchmarks.installations import connect
from benchmarks.measuring import Round
from workers.settings import Settings


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured and how, of the baseline and of the workload itself (named last), in rounds."""

    workload: str
    measured: str
    size: Mapping[str, Any]
    environment: Mapping[str, Any]
    rounds: Mapping[str, Sequence[Round]]

    @property
    def ratio(self) -> float:
        """Give the workload's median rate as a part of the baseline's."""
        return _rate(self.rounds[self.workload]) / _rate(self.rounds["baseline"])


async def environment_facts(settings: Settings) -> dict[str, Any]:
    """Give what the figures depend on."""
    connection = await connect(settings.database_url)
    try:
        asked = ("server_version", "fsync", "synchronous_commit", "full_page_writes")
        database = {name: await connection.fetchval("SELECT current_setting($1)", name) for name in asked}
    finally:
        await connection.close()
    sizes = ("shards", "topic_partitions", "batch_max_records", "relay_batch_rows")
    return {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "postgresql": database,
        "settings": settings.model_dump(include=set(sizes)),
    }


def show(report: Report) -> None:
    """Print the figures."""
    console = Console()
    size = ", ".join(f"{name} {value}" for name, value in report.size.items())
    database = report.environment["postgresql"]
    console.print(f"[bold]{report.workload}[/]: {size}")
    console.print(
        f"Python {report.environment['python']}, {report.environment['cores']} cores, PostgreSQL "
        f"{database['server_version']}, fsync {database['fsync']}, synchronous_commit {database['synchronous_commit']}"
    )
    console.print(f"Measured {report.measured}.\n")
    console.print(_rates(report))
    console.print(_usage(report))
    console.print(f"{report.workload} reaches [bold]{report.ratio:.0%}[/] of the baseline, which decides nothing.")


def write(report: Report, path: Path) -> None:
    """Write everything to a file as JSON; times in seconds, sizes in bytes, the spread as a part of the median."""
    summary = {
        name: {"median_per_second": _rate(rounds), "spread": _spread(rounds)} for name, rounds in report.rounds.items()
    }
    document = asdict(report) | {"summary": summary | {"ratio": report.ratio}}
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))


def _rates(report: Report) -> Table:
    table = Table(title="Commands per second", title_justify="left")
    table.add_column("")
    for column in ("median", "spread", "rounds", "per commit", "WAL each"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, rounds in report.rounds.items():
        table.add_row(
            name,
            f"[bold]{_rate(rounds):,.0f}[/]",
            f"{_spread(rounds):.0%}",
            " ".join(f"{one.per_second:,.0f}" for one in rounds),
            f"{median(one.commands / max(1, one.transactions) for one in rounds):,.0f}",
            f"{median(one.wal_bytes / one.commands for one in rounds):,.0f} B",
        )
    return table


def _usage(report: Report) -> Table:
    table = Table(title="What it took (medians)", title_justify="left")
    for column in ("", "process", "CPU", "per command", "busy", "peak memory"):
        table.add_column(column, justify="left" if column in ("", "process") else "right")
    for name, rounds in report.rounds.items():
        for process in rounds[0].usage:
            cpu = median(one.usage[process].cpu_seconds for one in rounds)
            busy = median(one.usage[process].cpu_seconds / one.seconds for one in rounds)
            peak = median(one.usage[process].peak_bytes for one in rounds)
            table.add_row(
                name,
                process,
                f"{cpu:.2f} s",
                f"{cpu / rounds[0].commands * 1e6:,.0f} µs",
                f"{busy:.0%}",
                f"{peak / 2**20:,.0f} MiB" if peak else "",
            )
    return table


def _rate(rounds: Sequence[Round]) -> float:
    return median(one.per_second for one in rounds)


def _spread(rounds: Sequence[Round]) -> float:
    rates = [one.per_second for one in rounds]
    return (max(rates) - min(rates)) / median(rates)
