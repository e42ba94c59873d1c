"""What a server of questions counts, for Prometheus."""

import math
from datetime import datetime

from prometheus_client import Counter, Gauge, Histogram

from db.audits import LastAudit
from workers.runtime.metrics import Heartbeats, LastAuditMetrics

SERVE = "serve"
"""The role of a server in what all processes tell of their roles."""


class ServiceMetrics(Heartbeats):
    """The counters of a server; a question is named by its path as it is declared, never as it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self._requests = Counter(
            "whopays_http_requests", "Requests answered", ["path", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "whopays_http_request_seconds",
            "Time that an answer took",
            ["path"],
            registry=self.registry,
        )
        self._unpublished = Gauge(
            "whopays_events_unpublished", "Events in the log that are not known to be published", registry=self.registry
        )
        self._closed_until = Gauge(
            "whopays_closed_until_timestamp_seconds",
            "Instant up to which all that happened is published, and none will be added",
            registry=self.registry,
        )

        self._last_audit = LastAuditMetrics(self.registry)
        self._audited = Gauge(
            "whopays_events_audited", "Events that were in the log when the last audit began", registry=self.registry
        )

    def know_nothing(self) -> None:
        """Note that what the database knows is not known: NaN."""
        for gauge in (self._unpublished, self._closed_until, self._audited):
            gauge.set(math.nan)
        self._last_audit.ended(math.nan, {})

    def known(self, unpublished: float, closed_until: datetime | None) -> None:
        """Note how far the log is published, as the database knows it."""
        self._unpublished.set(unpublished)
        self._closed_until.set(math.nan if closed_until is None else closed_until.timestamp())

    def audited(self, last: LastAudit | None) -> None:
        """Note the last audit that the database keeps; its end is 0 where it keeps none."""
        if last is None:
            self._last_audit.ended(0, {})
        else:
            self._last_audit.ended(last.ended_at.timestamp(), last.findings)
            self._audited.set(last.begun.events)

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)
