"""The metrics of `serve`, for Prometheus."""

import math
from collections.abc import Mapping
from datetime import datetime

from db.audits import LastAudit
from db.watching import Overdue
from schemas.records import DeadLetterReason
from workers.runtime.metrics import Exemplar, Heartbeats, LastAuditMetrics, OverdueMetrics
from workers.runtime.roles import SERVE


class ServiceMetrics(Heartbeats):
    """The metrics of a server; requests are labelled with the declared path, never with the one requested."""

    def __init__(self, *, checks_tokens: bool = True) -> None:
        super().__init__((SERVE,), checks_tokens=checks_tokens)
        made = self.instruments
        self._requests = made.counter("whopays_http_requests_total")
        self._seconds = made.histogram("whopays_http_request_seconds")
        self._unpublished = made.gauge("whopays_events_unpublished")
        self._closed_until = made.gauge("whopays_closed_until_timestamp_seconds")
        self._unpublished_age = made.gauge("whopays_events_unpublished_age_seconds")
        self._overdue = OverdueMetrics(made)
        self._dead = made.gauge("whopays_dead_letters_waiting")
        self._replays = made.gauge("whopays_replays_waiting")
        self._last_audit = LastAuditMetrics(made)
        self._audited = made.gauge("whopays_events_audited")

    def know_nothing(self) -> None:
        """Set everything that is read from the database to NaN: unknown."""
        unknown = (self._unpublished, self._unpublished_age, self._closed_until, self._audited, self._replays)
        for gauge in unknown:
            gauge.set(math.nan)
        self._overdue.note(None)
        self.waiting(dict.fromkeys(DeadLetterReason, math.nan))
        self._last_audit.ended(math.nan, {})

    def known(self, unpublished: float, age: float, closed_until: datetime | None) -> None:
        """Record how far the log is published, according to the database."""
        self._unpublished.set(unpublished)
        self._unpublished_age.set(age)
        self._closed_until.set(math.nan if closed_until is None else closed_until.timestamp())

    def overdue(self, found: Overdue) -> None:
        """Record what is due and not handled yet."""
        self._overdue.note(found)

    def waiting(self, dead_letters: Mapping[DeadLetterReason, float]) -> None:
        """Record how many dead letters of each reason are waiting for an operator."""
        for reason, number in dead_letters.items():
            self._dead.labels(reason).set(number)

    def replays(self, waiting: int) -> None:
        """Record how many replays no process works on, even if no process runs the role that would."""
        self._replays.set(waiting)

    def audited(self, last: LastAudit | None) -> None:
        """Record the last audit stored in the database; its end is 0 if there is none."""
        if last is None:
            self._last_audit.ended(0, {})
        else:
            self._last_audit.ended(last.ended_at.timestamp(), last.findings)
            self._audited.set(last.begun.events)

    def answered(self, path: str, status: int, seconds: float, exemplar: Exemplar | None) -> None:
        """Count a request; `exemplar` names its span, if it has one."""
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds, exemplar)
