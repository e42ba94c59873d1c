"""What workloads came to, for people: tables in the terminal."""

from collections.abc import Mapping
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.report import Report, peak_bytes, rate, spread
from benchmarks.usage import Usage


def show_environment(environment: Mapping[str, Any]) -> None:
    """Print what the figures depend on."""
    database = environment["postgresql"]
    Console().print(
        f"Python {environment['python']}, {environment['cores']} cores, PostgreSQL {database['server_version']}, "
        f"fsync {database['fsync']}, synchronous_commit {database['synchronous_commit']}"
    )


def show(report: Report) -> None:
    """Print the figures of a workload."""
    console = Console()
    size = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in report.size.items())
    console.print(f"\n[bold]{report.workload}[/]: {size}")
    console.print(f"Measured {report.measured}.\n")
    if report.rounds:
        console.print(_rates(report))
    if report.latencies:
        console.print(_latencies(report))
    if report.rounds or report.usage:
        console.print(_usage(report))
    for name, ratio in report.ratios.items():
        console.print(f"{name}: [bold]{ratio:.2f}[/]")


def _rates(report: Report) -> Table:
    table = _table("Commands per second", "")
    for column in ("median", "spread", "rounds", "per commit", "statements each", "WAL each"):
        table.add_column(column, justify="right")
    for name, rounds in report.rounds.items():
        table.add_row(
            name,
            f"[bold]{rate(rounds):,.0f}[/]",
            f"{spread(rounds):.0%}",
            " ".join(f"{one.per_second:,.0f}" for one in rounds),
            f"{median(one.commands / max(1, one.transactions) for one in rounds):,.0f}",
            f"{report.statements[name]:,.3g}" if name in report.statements else "",
            f"{median(one.wal_bytes / one.commands for one in rounds):,.0f} B",
        )
    return table


def _latencies(report: Report) -> Table:
    table = _table("Milliseconds from acknowledgement until seen", "")
    for column in ("commands", "median", "90 %", "99 %", "longest"):
        table.add_column(column, justify="right")
    for name, latency in report.latencies.items():
        times = (latency.median, latency.p90, latency.p99, latency.longest)
        table.add_row(name, f"{latency.commands:,}", *(f"{seconds * 1e3:,.1f}" for seconds in times))
    return table


def _usage(report: Report) -> Table:
    table = _table("What it took (medians; of memory the most)", "", "process")
    for column in ("CPU", "per command", "busy", "peak memory"):
        table.add_column(column, justify="right")
    for name, rounds in report.rounds.items():
        for process in rounds[0].usage:
            cpu = median(one.usage[process].cpu_seconds for one in rounds)
            busy = median(one.usage[process].cpu_seconds / one.seconds for one in rounds)
            each = f"{cpu / rounds[0].commands * 1e6:,.0f} µs"
            table.add_row(name, process, f"{cpu:.2f} s", each, f"{busy:.0%}", _mebibytes(peak_bytes(rounds, process)))
    for name, usage in report.usage.items():
        for process, used in usage.items():
            table.add_row(name, process, *_used(used))
    return table


def _used(usage: Usage) -> tuple[str, str, str, str]:
    return f"{usage.cpu_seconds:.2f} s", "", "", _mebibytes(usage.peak_bytes)


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB" if size else ""


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column)
    return table
