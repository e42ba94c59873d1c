"""What a process counts, for Prometheus."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from domain.messages import Folded
from workers.runtime.roles import Role


class Metrics:
    """The counters of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._commands = self._counter("commands", "Commands answered", "outcome")
        self._repeats = self._counter(
            "commands_repeated", "Commands sent again with the same meaning, which change nothing"
        )
        self._stale = self._counter("facts_stale", "Facts that were known already, or are older than what is known")
        self._dead = self._counter("dead_letters", "Records that could not be answered", "reason")
        self._mismatches = self._counter("key_mismatch", "Records whose key was not their organization")
        self._retries = self._counter("batch_retries", "Batches tried again because the database was away or busy")
        self._batches = Histogram(
            "whopays_batch_seconds", "Time from reading a batch to its commit", ["role"], registry=self.registry
        )
        self._lost = self._counter(
            "records_lost", "Offsets that were deleted from a topic before they were read", "role"
        )
        self._published = self._counter("events_published", "Events that the relay published")
        self._unpublished = Gauge(
            "whopays_events_unpublished", "Events in the log that the relay has yet to publish", registry=self.registry
        )
        self._heartbeat = Gauge(
            "whopays_role_heartbeat_seconds",
            "Unix time of a role's last sign of life",
            ["role"],
            registry=self.registry,
        )

    def serve(self, port: int) -> None:
        """Answer on a port of this host with the counters."""
        start_http_server(port, registry=self.registry)

    def alive(self, role: Role) -> None:
        """Note that a role gets on, or found that there was nothing to do."""
        self._heartbeat.labels(role).set(time.time())

    def decided(self, role: Role, folded: Folded, mismatches: int, seconds: float) -> None:
        """Count a committed batch."""
        for outcome, count in folded.outcomes.items():
            self._commands.labels(outcome).inc(count)
        for dead in folded.dead:
            self._dead.labels(dead.reason).inc()
        self._repeats.inc(folded.repeated_commands)
        self._stale.inc(folded.stale_facts)
        self._mismatches.inc(mismatches)
        self._batches.labels(role).observe(seconds)

    def retried(self) -> None:
        """Count a batch that is tried again."""
        self._retries.inc()

    def lost(self, role: Role, records: int) -> None:
        """Count records that were deleted before they were read."""
        self._lost.labels(role).inc(records)

    def published(self, events: int, unpublished: int) -> None:
        """Count what the relay published, and what is left."""
        self._published.inc(events)
        self._unpublished.set(unpublished)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"whopays_{name}", text, labels, registry=self.registry)
