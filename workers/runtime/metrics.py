"""The Prometheus metrics of a process; docs/operations.md says when to look at which."""

import math
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from importlib.metadata import version
from typing import Any

from aiokafka import TopicPartition

from db.memory import Memory, Remembered
from db.watching import Overdue
from domain.messages import Folded
from schemas.commands import COMMANDS
from schemas.message_types import short_type, type_of
from workers.runtime.declared_metrics import TIMER_KINDS, UNKNOWN_TYPE
from workers.runtime.instruments import Instruments, count_on
from workers.runtime.metric import ChoreName, Connection, Forgotten, Recall
from workers.runtime.metric import Remembered as Kinds
from workers.runtime.roles import ALL_ROLES, Role
from workers.runtime.steps import StepClock
from workers.runtime.turns import Turns

Exemplar = dict[str, str]
"""The labels of an exemplar: the ids of a trace and of a span in it."""


class Heartbeats:
    """The metrics that every process has, among them when each of its roles last made progress."""

    def __init__(self, roles: Collection[str], *, checks_tokens: bool = True) -> None:
        self.instruments = Instruments(roles, checks_tokens=checks_tokens)
        self.registry = self.instruments.registry
        python = ".".join(map(str, sys.version_info[:3]))
        self.instruments.gauge("whopays_build_info").labels(version("whopays"), python).set(1)
        self._heartbeat = self.instruments.gauge("whopays_role_heartbeat_timestamp_seconds")

    def alive(self, role: Role | str) -> None:
        """Record that a role made progress, or found nothing to do."""
        self._heartbeat.labels(role).set(time.time())

    def watch_pool(self, in_use: Callable[[], int], idle: Callable[[], int], limit: int) -> None:
        """Report a pool's connections to the database, counted at each scrape."""
        connections = self.instruments.gauge("whopays_database_connections")
        connections.labels(Connection.IN_USE).set_function(in_use)
        connections.labels(Connection.IDLE).set_function(idle)
        self.instruments.gauge("whopays_database_connections_limit").set(limit)


class LastAuditMetrics:
    """The last audit: when it ended, and what it found. Reported by auditors and by processes that read its outcome."""

    def __init__(self, instruments: Instruments) -> None:
        self._broken = instruments.gauge("whopays_broken_promises")
        self._ended = instruments.gauge("whopays_last_audit_timestamp_seconds")

    def ended(self, seconds: float, findings: Mapping[str, int]) -> None:
        """Report when an audit ended, in Unix time (NaN: unknown), and its number of findings for each promise."""
        self._ended.set(seconds)
        for promise, number in findings.items():
            self._broken.labels(promise).set(number)


class OverdueMetrics:
    """What is overdue, and the open fan-outs."""

    def __init__(self, instruments: Instruments) -> None:
        self._numbers = instruments.gauge("whopays_timers_overdue")
        self._seconds = instruments.gauge("whopays_timers_overdue_seconds")
        self._fan_outs = instruments.gauge("whopays_fan_outs_open")

    def note(self, found: Overdue | None) -> None:
        """Report what is overdue; None if that is unknown."""
        for kind in TIMER_KINDS:
            self._numbers.labels(kind).set(math.nan if found is None else found.numbers[kind])
        self._seconds.set(math.nan if found is None else found.seconds)
        self._fan_outs.set(math.nan if found is None else found.fan_outs)


class Metrics(Heartbeats):
    """The metrics of a process of workers."""

    def __init__(self, roles: Sequence[Role] = ALL_ROLES, *, checks_tokens: bool = True) -> None:
        super().__init__(roles, checks_tokens=checks_tokens)
        self.turns = Turns(roles)
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
        self._records = made.histogram("whopays_batch_records")
        self._steps = made.histogram("whopays_batch_step_seconds")
        self._lookups = made.counter("whopays_memory_lookups_total")
        self._memory: tuple[tuple[str, Remembered[Any]], ...] = ()
        self._lost = made.counter("whopays_records_lost_total")
        self._published = made.counter("whopays_events_published_total")
        self._replayed = made.counter("whopays_events_replayed_total")
        self._unpublished = made.gauge("whopays_events_unpublished")
        self._closed = made.gauge("whopays_closed_until_timestamp_seconds")
        self._lag_records = made.gauge("whopays_consumer_lag_records")
        self._lag_seconds = made.gauge("whopays_consumer_lag_seconds")
        self._held_up = made.gauge("whopays_open_transaction_seconds")
        self._unpublished_age = made.gauge("whopays_events_unpublished_age_seconds")
        self._active = made.gauge("whopays_relay_active")
        self._slots = made.gauge("whopays_relay_slots")
        self._interruptions = made.counter("whopays_relay_interruptions_total")
        self._transactions = made.histogram("whopays_relay_transaction_seconds")
        self._transaction_events = made.histogram("whopays_relay_transaction_events")
        self._overdue = OverdueMetrics(made)
        self._chores_done = made.gauge("whopays_maintenance_done_timestamp_seconds")
        self._chores_failed = made.counter("whopays_maintenance_failures_total")
        self._forgotten = made.counter("whopays_forgotten_total")
        self._archived_events = made.counter("whopays_archived_events_total")
        self._archived_bytes = made.counter("whopays_archived_bytes_total")
        self._positions_left = made.gauge("whopays_log_positions_left")

    def watch_memory(self, memory: Memory) -> None:
        """Report the number of remembered entries, counted at each scrape, and from now on hits and misses."""
        self._memory = tuple((kind, getattr(memory, kind)) for kind in Kinds)
        entries = self.instruments.gauge("whopays_memory_entries")
        for kind, remembered in self._memory:
            entries.labels(kind).set_function(partial(len, remembered))

    def watch_waiting(self, role: Role, records: Callable[[], int], size: Callable[[], int]) -> None:
        """Report how many records wait in memory, and how many bytes they take."""
        self.instruments.gauge("whopays_consumer_waiting_records").labels(role).set_function(records)
        self.instruments.gauge("whopays_consumer_waiting_bytes").labels(role).set_function(size)

    def decided(
        self,
        role: Role,
        records: int,
        folded: Folded,
        mismatches: int,
        clock: StepClock,
        exemplar: Exemplar | None = None,
    ) -> None:
        """Count a committed batch of `records` records, or due items; `exemplar` names its span, if any."""
        for (command, outcome), count in folded.outcomes.items():
            self._commands.labels(known_type(command), outcome).inc(count)
        for (command, reason), count in folded.rejected.items():
            self._rejected.labels(known_type(command), reason).inc(count)
        for reason, count in folded.refused.items():
            self._refused.labels(reason).inc(count)
        for dead in folded.dead.values():
            self._dead.labels(dead.reason).inc()
        self._repeats.inc(folded.repeated_commands)
        self._stale.inc(folded.stale_facts)
        self._mismatches.inc(mismatches)
        self._batches.labels(role).observe(clock.elapsed, exemplar)
        self._records.labels(role).observe(records, exemplar)
        for step, seconds in clock.take().items():
            self._steps.labels(role, step).observe(seconds, exemplar)
        for kind, remembered in self._memory:
            self._lookups.labels(kind, Recall.HIT).inc(remembered.hits)
            self._lookups.labels(kind, Recall.MISS).inc(remembered.misses)
            remembered.hits = remembered.misses = 0

    def ignored(self, attributes: Iterable[str]) -> None:
        """Count the attributes of a batch's records that were ignored because they are malformed."""
        for name in attributes:
            self._ignored.labels(name).inc()

    def retried(self) -> None:
        """Count a retry of a batch."""
        self._retries.inc()

    def behind(self, partition: TopicPartition, records: int, since: float | None) -> None:
        """Report a partition's lag in records, and since when it lags, in Unix time; None if it does not."""
        self._lag_records.labels(*partition).set(records)
        count_on(self._lag_seconds.labels(*partition), since)

    def held_up(self, partition: TopicPartition, since: float | None) -> None:
        """Report since when, in Unix time, an open transaction has held a partition up; None if none does."""
        count_on(self._held_up.labels(*partition), since)

    def forget_partition(self, partition: TopicPartition) -> None:
        """Stop reporting a partition."""
        for gauge in (self._lag_records, self._lag_seconds, self._held_up):
            gauge.remove(*partition)

    def lost(self, role: Role, records: int) -> None:
        """Count records that were deleted before they were read."""
        self._lost.labels(role).inc(records)

    def published(self, events: int) -> None:
        """Count published events."""
        self._published.inc(events)

    def left(self, unpublished: int) -> None:
        """Report the number of unpublished events."""
        self._unpublished.set(unpublished)

    def oldest_unpublished(self, since: float | None) -> None:
        """Report the instant of the oldest unpublished event, in Unix time; None if there is none."""
        count_on(self._unpublished_age, since)

    def divided(self, slots: int) -> None:
        """Report the number of slots among which relays divide the shards."""
        self._slots.set(slots)

    def relaying(self, slots: int, *, closes: bool) -> None:
        """Report how many slots this process publishes, and whether it `closes` shards.

        One that does not has no watermark to report.
        """
        self._active.set(slots)
        if not closes:
            self._closed.set(math.nan)

    def relay_interrupted(self) -> None:
        """Count an error after which the relay restarts."""
        self._interruptions.inc()

    def transacted(self, events: int, seconds: float, exemplar: Exemplar | None = None) -> None:
        """Count a transaction of the relay; `exemplar` names its span, if any."""
        self._transactions.observe(seconds, exemplar)
        self._transaction_events.observe(events, exemplar)

    def overdue(self, found: Overdue) -> None:
        """Report what is overdue."""
        self._overdue.note(found)

    def replays(self, working: int, waiting: int) -> None:
        """Report how many replays this process works on, and how many no process does."""
        self.instruments.gauge("whopays_replays_working").set(working)
        self.instruments.gauge("whopays_replays_waiting").set(waiting)

    def replayed(self, events: int) -> None:
        """Count replayed events."""
        self._replayed.inc(events)

    def maintained(self, done: Mapping[str, datetime | None], positions_left: int) -> None:
        """Report when each chore was last done, by any process, and how far the log's partitions reach."""
        for chore in ChoreName:
            at = done.get(chore)
            self._chores_done.labels(chore).set(0 if at is None else at.timestamp())
        self._positions_left.set(positions_left)

    def forgot(self, kind: Forgotten, rows: int) -> None:
        """Count rows that retention removed."""
        self._forgotten.labels(kind).inc(rows)

    def archived(self, events: int, size: int) -> None:
        """Count archived events, and the bytes of their files."""
        self._archived_events.inc(events)
        self._archived_bytes.inc(size)

    def chore_failed(self, chore: ChoreName) -> None:
        """Count an error that ended a chore's turn."""
        self._chores_failed.labels(chore).inc()

    def closed(self, until: datetime | None) -> None:
        """Report the instant up to which readers were told that they are complete."""
        if until is not None:
            self._closed.set(until.timestamp())


def known_type(type_: str) -> str:
    """Return the name of a command's type; unknown types share one label value."""
    name = short_type(type_)
    return name if name in COMMANDS and type_ == type_of(name) else UNKNOWN_TYPE
