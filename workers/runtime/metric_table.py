"""The table in docs/metrics.md, generated from the declared metrics."""

from math import prod

from workers.runtime.declared_metrics import METRICS
from workers.runtime.metric import Kind, Metric
from workers.runtime.roles import ALL_ROLES, AUDIT, BATCH_ROLES, CONSUMERS, SERVE

_DEFAULT_BUCKETS = 15
_SAMPLES_BESIDE_BUCKETS = 2
_GROUPS = {
    (*ALL_ROLES, SERVE, AUDIT): "every process",
    (*ALL_ROLES, SERVE): "every role, `serve`",
    CONSUMERS: "consumers",
    BATCH_ROLES: "consumers, `timers`",
}


def metrics_table() -> str:
    """Return the table of all metrics, with how many series each has in one process."""
    lines = ["| metric | kind | of | what it tells | series of a process |", "| --- | --- | --- | --- | --- |"]
    lines += [
        f"| `{_shown(metric)}` | {metric.kind} | {_of(metric)} | {metric.help} | {_series(metric)} |"
        for metric in METRICS.values()
    ]
    return "\n".join(lines) + "\n"


def _shown(metric: Metric) -> str:
    names = ",".join(label.name for label in metric.labels)
    return f"{metric.name}{{{names}}}" if names else metric.name


def _of(metric: Metric) -> str:
    roles = _GROUPS.get(metric.roles) or ", ".join(f"`{role}`" for role in metric.roles)
    return f"{roles}; with tokens" if metric.needs_tokens else roles


def _series(metric: Metric) -> str:
    """Return the number of series, for each value of the labels that only a process knows."""
    samples = (len(metric.buckets) + 1 if metric.buckets else _DEFAULT_BUCKETS) + _SAMPLES_BESIDE_BUCKETS
    number = prod(len(label.values) for label in metric.labels if label.values)
    number *= samples if metric.kind is Kind.HISTOGRAM else 1
    bounds = [label.bound for label in metric.labels if label.bound]
    return " for each of ".join([str(number), *bounds])
