"""What was measured of questions, as a table and as JSON."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import orjson


@dataclass(slots=True)
class Measured:
    """One kind of question: its rate (of answers, pairs, intervals), median and 99th percentile in seconds, and CPU.

    `cpu_seconds` is what the service took for `items`; `floor` is the rate of what it is compared with, if anything.
    """

    what: str
    items: int
    per_second: float
    times: list[float] = field(default_factory=list)
    cpu_seconds: float | None = None
    peak_bytes: int | None = None
    floor: str | None = None

    @property
    def median(self) -> float | None:
        """Seconds."""
        return median(self.times) if self.times else None

    @property
    def p99(self) -> float | None:
        """Seconds."""
        return sorted(self.times)[int(len(self.times) * 0.99)] if self.times else None


def table(found: list[Measured]) -> str:
    """Return what was measured as a table of Markdown."""
    rates = {one.what: one.per_second for one in found}
    lines = [
        "| what | a second | beside its floor | median | 99 % | service's CPU each | memory |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for one in found:
        ratio = f"{one.per_second / rates[one.floor]:.2f} of {one.floor}" if one.floor in rates else ""
        cpu = f"{one.cpu_seconds / one.items * 1e6:,.1f} µs" if one.cpu_seconds is not None else ""
        memory = f"{one.peak_bytes / 2**20:,.0f} MiB" if one.peak_bytes else ""
        lines.append(
            f"| {one.what} | {one.per_second:,.0f} | {ratio} | {_shown(one.median)} | {_shown(one.p99)} | {cpu} "
            f"| {memory} |"
        )
    return "\n".join(lines)


def write(path: Path, facts: dict[str, Any], found: list[Measured]) -> None:
    """Write what was measured as JSON, without the single times."""
    rows = [
        {name: value for name, value in asdict(one).items() if name != "times"} | {"median": one.median, "p99": one.p99}
        for one in found
    ]
    path.write_bytes(orjson.dumps({"environment": facts, "measured": rows}, option=orjson.OPT_INDENT_2))


def _shown(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1e3:,.2f} ms"
