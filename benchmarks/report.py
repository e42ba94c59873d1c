"""What workloads came to, for machines: the figures of each, and what they depend on, as JSON."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import orjson

from benchmarks.installations import connect
from benchmarks.measuring import Round
from benchmarks.pacing import PERCENTILES, Latency
from benchmarks.usage import Usage
from workers.runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured and how, each part by the name of what was measured.

    `rounds` have rates, `latencies` times; `statements` are those per command, `usage` is that of what has no rounds;
    `ratios` are what the workload is about.
    """

    workload: str
    measured: str
    size: Mapping[str, Any]
    rounds: Mapping[str, Sequence[Round]] = field(default_factory=dict)
    latencies: Mapping[str, Latency] = field(default_factory=dict)
    statements: Mapping[str, float] = field(default_factory=dict)
    usage: Mapping[str, Mapping[str, Usage]] = field(default_factory=dict)
    ratios: Mapping[str, float] = field(default_factory=dict)


def rate(rounds: Sequence[Round]) -> float:
    """Return the median of the commands per second."""
    return median(one.per_second for one in rounds)


def spread(rounds: Sequence[Round]) -> float:
    """Return the difference between the best and the worst round as a part of the median."""
    rates = [one.per_second for one in rounds]
    return (max(rates) - min(rates)) / median(rates)


def peak_bytes(rounds: Sequence[Round], process: str) -> int:
    """Return the most memory that a process had in any round."""
    return max(one.usage[process].peak_bytes for one in rounds)


async def environment_facts(settings: Settings) -> dict[str, Any]:
    """Return what the figures depend on."""
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


def write(path: Path, environment: Mapping[str, Any], reports: Sequence[Report]) -> None:
    """Write everything to a file as JSON; times in seconds, sizes in bytes, the spread as a part of the median."""
    workloads = {
        report.workload: asdict(report)
        | {
            "summary": {
                name: {"median_per_second": rate(rounds), "spread": spread(rounds)}
                for name, rounds in report.rounds.items()
            }
        }
        for report in reports
    }
    document = {"environment": environment, "percentiles": PERCENTILES, "workloads": workloads}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
