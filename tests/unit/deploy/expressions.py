"""What expressions of Prometheus name: metrics and labels, held against those that are declared."""

import re
from collections.abc import Iterator

from workers.runtime.declared_metrics import METRICS
from workers.runtime.metric import Kind

_BY_PROMETHEUS = frozenset({"namespace", "instance", "job", "le"})
"""Labels that Prometheus adds."""
_ABOUT_PROCESSES = frozenset({"process_cpu_seconds_total", "process_resident_memory_bytes", "up"})
_SERIES = re.compile(r"\b(whopays_\w+|process_\w+|up)\b(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
_GROUPED = re.compile(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")
_OF_HISTOGRAM = re.compile(r"_(bucket|sum|count)$")


def wrong(expression: str) -> list[str]:
    """Return what an expression names that there is not: metrics, labels of them, values of those."""
    return [*_wrong_series(expression), *_wrong_groups(expression)]


def metrics(expression: str) -> set[str]:
    """Return the metrics of whopays that an expression names, by the names that they are declared under."""
    return {_declared(name) for name, _ in _SERIES.findall(expression) if name.startswith("whopays_")}


def _declared(name: str) -> str:
    base = _OF_HISTOGRAM.sub("", name)
    return base if base in METRICS and METRICS[base].kind is Kind.HISTOGRAM else name


def _wrong_series(expression: str) -> Iterator[str]:
    for name, matchers in _SERIES.findall(expression):
        if name in _ABOUT_PROCESSES:
            continue
        metric = METRICS.get(_declared(name))
        if metric is None or (metric.kind is Kind.HISTOGRAM and not _OF_HISTOGRAM.search(name)):
            yield f"there is no series {name}"
            continue
        labels = {label.name: label.values for label in metric.labels}
        for label, relation, value in _MATCHER.findall(matchers):
            if label not in labels.keys() | _BY_PROMETHEUS:
                yield f"{name} has no label {label}"
            elif relation in {"=", "!="} and labels.get(label) and value not in labels[label]:
                yield f"no {label} of {name} is {value}"


def _wrong_groups(expression: str) -> Iterator[str]:
    known = {label.name for name in metrics(expression) if name in METRICS for label in METRICS[name].labels}
    for labels in _GROUPED.findall(expression):
        for label in filter(None, (one.strip() for one in labels.split(","))):
            if label not in known | _BY_PROMETHEUS:
                yield f"none of the series has a label {label}"
