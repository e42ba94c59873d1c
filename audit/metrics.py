"""Metrics of a process that audits repeatedly."""

import asyncio
import time
from collections.abc import Mapping

from audit.findings import Promise
from workers.runtime.metrics import Heartbeats, LastAuditMetrics
from workers.runtime.roles import AUDIT

_HEARTBEAT_SECONDS = 5.0


class AuditMetrics(Heartbeats):
    """The findings of the last audit, when it ended, and whether audits are still running."""

    def __init__(self) -> None:
        super().__init__((AUDIT,))
        self._last = LastAuditMetrics(self.instruments)
        self._audits = self.instruments.counter("whopays_audits_total")
        self._duration = self.instruments.gauge("whopays_last_audit_duration_seconds")
        self._is_interrupted = False

    def audited(self, findings: Mapping[Promise, int], seconds: float) -> None:
        """Record a finished audit: how many findings there are for each promise, and how long it took."""
        self._duration.set(seconds)
        self._last.ended(time.time(), {promise: findings.get(promise, 0) for promise in Promise})
        self._audits.inc()
        self._is_interrupted = False

    def interrupted(self) -> None:
        """Record an interrupted audit: heartbeats stop until the next one finishes."""
        self._is_interrupted = True

    async def show_life(self) -> None:
        """Send heartbeats until cancelled; an audit may take long, and so may the pause before the next one."""
        while True:
            if not self._is_interrupted:
                self.alive(AUDIT)
            await asyncio.sleep(_HEARTBEAT_SECONDS)
