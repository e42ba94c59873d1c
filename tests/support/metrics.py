"""What a process tells of itself at /metrics, beside what is declared."""

from collections.abc import Iterable

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
