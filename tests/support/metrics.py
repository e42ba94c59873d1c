"""What a process tells of itself at /metrics, beside what is declared."""

import asyncio
from collections.abc import Iterable
from urllib.request import urlopen

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from workers.runtime.declared_metrics import METRICS
from workers.runtime.metric import Kind


def declared_of(roles: Iterable[str], *, checks_tokens: bool = True) -> set[str]:
    """Return the names of the metrics that a process of these roles has."""
    played = tuple(roles)
    return {metric.name for metric in METRICS.values() if metric.is_of(played, checks_tokens=checks_tokens)}


def told_families(text: str) -> dict[str, Metric]:
    """Return what a page of metrics tells, by the names under which they are declared, without the `process_…`."""
    return {
        f"{family.name}_total" if family.type == Kind.COUNTER else family.name: family
        for family in text_string_to_metric_families(text)
        if not family.name.startswith("process_")
    }


async def scrape(port: int) -> dict[str, Metric]:
    """Return what a process on this host tells at its port."""

    def read() -> str:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            return str(answer.read().decode())

    return told_families(await asyncio.to_thread(read))


def value_of(told: dict[str, Metric], name: str, **labels: str) -> float:
    """Return the sum of the samples of a name that have these labels; NaN where one is not known."""
    return sum(
        sample.value
        for family in told.values()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )
