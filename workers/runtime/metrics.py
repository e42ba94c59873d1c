"""What a process counts, for Prometheus; docs/operations.md says when to look at which."""

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from domain.messages import Folded
from schemas.envelope import IGNORABLE
from schemas.records import DeadLetterReason
from schemas.results import Outcome, Reason
from workers.runtime.roles import ALL_ROLES, BATCH_ROLES, CONSUMERS, Role

_REFUSALS = (Reason.UNAUTHENTICATED, Reason.FORBIDDEN)


class Heartbeats:
    """When each role of a process last showed that it makes progress, beside what every process says of itself."""

    def __init__(self) -> None:
        # Creation times, each a gauge of its own, would be half of all series.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        Gauge(
            "whopays_build_info",
            "Always 1; the labels say what runs here",
            ["version", "python"],
            registry=self.registry,
        ).labels(version("whopays"), ".".join(map(str, sys.version_info[:3]))).set(1)
        self._heartbeat = Gauge(
            "whopays_role_heartbeat_timestamp_seconds",
            "Unix time of a role's last sign of life",
            ["role"],
            registry=self.registry,
        )

    def alive(self, role: Role | str) -> None:
        """Note that a role made progress, or found that there was nothing to do."""
        self._heartbeat.labels(role).set(time.time())


class LastAuditMetrics:
    """The last audit: when it ended, and what it found. Whoever audits tells it, and whoever knows of an audit."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._broken = Gauge(
            "whopays_broken_promises", "Findings of the last whole audit", ["promise"], registry=registry
        )
        self._ended = Gauge(
            "whopays_last_audit_timestamp_seconds", "Unix time of the last audit's end", registry=registry
        )

    def ended(self, seconds: float, findings: Mapping[str, int]) -> None:
        """Note when an audit ended, in Unix time (NaN: unknown), and how many findings it has of each promise."""
        self._ended.set(seconds)
        for promise, number in findings.items():
            self._broken.labels(promise).set(number)


class Metrics(Heartbeats):
    """The counters of a process of workers; every series whose labels are known begins at 0."""

    def __init__(self, roles: Sequence[Role] = ALL_ROLES) -> None:
        super().__init__()
        self._commands = self._counter("commands", "Commands answered", "outcome", Outcome)
        self._refused = self._counter("commands_refused", "Commands whose sender was not let in", "reason", _REFUSALS)
        self._repeats = self._counter(
            "commands_repeated", "Commands sent again with the same meaning, which change nothing"
        )
        self._stale = self._counter("facts_stale", "Facts that were known already, or are older than what is known")
        self._dead = self._counter("dead_letters", "Records that could not be answered", "reason", DeadLetterReason)
        self._ignored = self._counter(
            "attributes_ignored", "Malformed attributes that were left out", "attribute", IGNORABLE
        )
        self._mismatches = self._counter("key_mismatch", "Records whose key was not their organization")
        self._retries = self._counter("batch_retries", "Batches tried again because the database was away or busy")
        self._batches = Histogram(
            "whopays_batch_seconds", "Time from reading a batch to its commit", ["role"], registry=self.registry
        )
        for role in _in_both(BATCH_ROLES, roles):
            self._batches.labels(role)
        self._lost = self._counter(
            "records_lost",
            "Offsets that were deleted from a topic before they were read",
            "role",
            _in_both(CONSUMERS, roles),
        )
        self._published = self._counter("events_published", "Events that the relay published")
        self._replayed = self._counter("events_replayed", "Events that the role `replays` wrote to replays' topics")
        self._unpublished = Gauge(
            "whopays_events_unpublished", "Events in the log that the relay has yet to publish", registry=self.registry
        )
        self._closed = Gauge(
            "whopays_closed_until_timestamp_seconds",
            "Unix time up to which readers of the payers are told that they are complete",
            registry=self.registry,
        )

    def decided(self, role: Role, folded: Folded, mismatches: int, seconds: float) -> None:
        """Count a committed batch."""
        for outcome, count in folded.outcomes.items():
            self._commands.labels(outcome).inc(count)
        for reason, count in folded.refused.items():
            self._refused.labels(reason).inc(count)
        for dead in folded.dead.values():
            self._dead.labels(dead.reason).inc()
        self._repeats.inc(folded.repeated_commands)
        self._stale.inc(folded.stale_facts)
        self._mismatches.inc(mismatches)
        self._batches.labels(role).observe(seconds)

    def ignored(self, attributes: Iterable[str]) -> None:
        """Count the attributes of a batch's records that were left out because they are malformed."""
        for name in attributes:
            self._ignored.labels(name).inc()

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

    def replayed(self, events: int) -> None:
        """Count what was replayed."""
        self._replayed.inc(events)

    def closed(self, until: datetime | None) -> None:
        """Note up to which instant readers were told that they are complete."""
        if until is not None:
            self._closed.set(until.timestamp())

    def _counter(self, name: str, text: str, label: str | None = None, values: Iterable[str] = ()) -> Counter:
        counter = Counter(f"whopays_{name}", text, [label] if label else [], registry=self.registry)
        for value in values:
            counter.labels(value)
        return counter


def _in_both(some: Sequence[Role], others: Sequence[Role]) -> list[Role]:
    return [role for role in some if role in others]
