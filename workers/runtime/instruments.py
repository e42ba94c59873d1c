"""Creates the declared metrics for a process of some roles, with all series that can be known in advance."""

import math
import time
from collections.abc import Collection, Iterator
from functools import partial
from itertools import product
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.metrics import MetricWrapperBase

from workers.runtime.declared_metrics import METRICS
from workers.runtime.metric import Kind, Metric

M = TypeVar("M", bound=MetricWrapperBase)

_CLASSES: dict[Kind, type[MetricWrapperBase]] = {
    Kind.COUNTER: Counter,
    Kind.GAUGE: Gauge,
    Kind.HISTOGRAM: Histogram,
}


class Instruments:
    """The metrics of a process. `registry` has those of the roles that it plays; the others are not exposed.

    Counters begin at 0, and gauges at NaN until they are first measured.
    """

    def __init__(self, roles: Collection[str], *, checks_tokens: bool = True) -> None:
        # Creation times, each a separate gauge, would be half of all series.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._roles = roles
        self._made = {
            metric.name: self._make(metric, is_told=metric.is_of(roles, checks_tokens=checks_tokens))
            for metric in METRICS.values()
        }

    def counter(self, name: str) -> Counter:
        """Return the counter of this name."""
        return self._find(Counter, name)

    def gauge(self, name: str) -> Gauge:
        """Return the gauge of this name."""
        return self._find(Gauge, name)

    def histogram(self, name: str) -> Histogram:
        """Return the histogram of this name."""
        return self._find(Histogram, name)

    def _find(self, kind: type[M], name: str) -> M:
        made = self._made[name]
        if not isinstance(made, kind):
            raise TypeError(f"{name} is no {kind.__name__}")
        return made

    def _make(self, metric: Metric, *, is_told: bool) -> MetricWrapperBase:
        make = partial(Histogram, buckets=metric.buckets) if metric.buckets else _CLASSES[metric.kind]
        made = make(
            metric.name,
            metric.help,
            [label.name for label in metric.labels],
            unit=metric.unit or "",
            registry=self.registry if is_told else None,
        )
        for values in self._known(metric):
            series = made.labels(*values) if values else made
            if isinstance(series, Gauge):
                series.set(math.nan)
        return made

    def _known(self, metric: Metric) -> Iterator[tuple[str, ...]]:
        """Yield the label values of all series known in advance; a single empty tuple, if there are no labels."""
        return product(*(metric.known_values(label, self._roles) for label in metric.labels))


def count_on(gauge: Gauge, since: float | None) -> None:
    """Have a gauge report the seconds since an instant at each scrape, so that they grow even while a process hangs.

    The instant is in Unix time; None reports 0.
    """
    gauge.set_function((lambda: 0.0) if since is None else (lambda: max(0.0, time.time() - since)))
