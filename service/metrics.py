"""What a server of questions counts, for Prometheus."""

import math
from datetime import datetime

from db.audits import LastAudit
from workers.runtime.metrics import Heartbeats, LastAuditMetrics
from workers.runtime.roles import SERVE


class ServiceMetrics(Heartbeats):
    """The counters of a server; a question is named by its path as it is declared, never as it was asked."""

    def __init__(self, *, checks_tokens: bool = True) -> None:
        super().__init__((SERVE,), checks_tokens=checks_tokens)
        made = self.instruments
        self._requests = made.counter("whopays_http_requests_total")
        self._seconds = made.histogram("whopays_http_request_seconds")
        self._unpublished = made.gauge("whopays_events_unpublished")
        self._closed_until = made.gauge("whopays_closed_until_timestamp_seconds")
        self._last_audit = LastAuditMetrics(made)
        self._audited = made.gauge("whopays_events_audited")

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
