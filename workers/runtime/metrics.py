"""What a process counts, for Prometheus; docs/operations.md says when to look at which."""

import sys
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version

from domain.messages import Folded
from schemas.commands import COMMANDS
from schemas.message_types import short_type, type_of
from workers.runtime.declared_metrics import UNKNOWN_TYPE
from workers.runtime.instruments import Instruments
from workers.runtime.roles import ALL_ROLES, Role


class Heartbeats:
    """When each role of a process last showed that it makes progress, beside what every process says of itself."""

    def __init__(self, roles: Collection[str], *, checks_tokens: bool = True) -> None:
        self.instruments = Instruments(roles, checks_tokens=checks_tokens)
        self.registry = self.instruments.registry
        python = ".".join(map(str, sys.version_info[:3]))
        self.instruments.gauge("whopays_build_info").labels(version("whopays"), python).set(1)
        self._heartbeat = self.instruments.gauge("whopays_role_heartbeat_timestamp_seconds")

    def alive(self, role: Role | str) -> None:
        """Note that a role made progress, or found that there was nothing to do."""
        self._heartbeat.labels(role).set(time.time())


class LastAuditMetrics:
    """The last audit: when it ended, and what it found. Whoever audits tells it, and whoever knows of an audit."""

    def __init__(self, instruments: Instruments) -> None:
        self._broken = instruments.gauge("whopays_broken_promises")
        self._ended = instruments.gauge("whopays_last_audit_timestamp_seconds")

    def ended(self, seconds: float, findings: Mapping[str, int]) -> None:
        """Note when an audit ended, in Unix time (NaN: unknown), and how many findings it has of each promise."""
        self._ended.set(seconds)
        for promise, number in findings.items():
            self._broken.labels(promise).set(number)


class Metrics(Heartbeats):
    """What a process of workers counts."""

    def __init__(self, roles: Sequence[Role] = ALL_ROLES, *, checks_tokens: bool = True) -> None:
        super().__init__(roles, checks_tokens=checks_tokens)
        made = self.instruments
        self._commands = made.counter("whopays_commands_total")
        self._rejected = made.counter("whopays_commands_rejected_total")
        self._refused = made.counter("whopays_commands_refused_total")
        self._repeats = made.counter("whopays_commands_repeated_total")
        self._stale = made.counter("whopays_facts_stale_total")
        self._dead = made.counter("whopays_dead_letters_total")
        self._ignored = made.counter("whopays_attributes_ignored_total")
        self._mismatches = made.counter("whopays_key_mismatch_total")
        self._retries = made.counter("whopays_batch_retries_total")
        self._batches = made.histogram("whopays_batch_seconds")
        self._lost = made.counter("whopays_records_lost_total")
        self._published = made.counter("whopays_events_published_total")
        self._replayed = made.counter("whopays_events_replayed_total")
        self._unpublished = made.gauge("whopays_events_unpublished")
        self._closed = made.gauge("whopays_closed_until_timestamp_seconds")

    def decided(self, role: Role, folded: Folded, mismatches: int, seconds: float) -> None:
        """Count a committed batch."""
        for (command, outcome), count in folded.outcomes.items():
            self._commands.labels(_known(command), outcome).inc(count)
        for (command, reason), count in folded.rejected.items():
            self._rejected.labels(_known(command), reason).inc(count)
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


def _known(type_: str) -> str:
    """Return the name of a command's type; what others call theirs does not become a label."""
    name = short_type(type_)
    return name if name in COMMANDS and type_ == type_of(name) else UNKNOWN_TYPE
