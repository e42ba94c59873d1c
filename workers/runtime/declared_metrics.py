"""Every metric of every process: its name, which ends with its unit, its help text and labels, and which roles have it.

There are no other metrics. docs/metrics.md is generated from this; dashboards and alerts are checked against it.
"""

from collections.abc import Iterable

from domain.messages import DueKind
from schemas.commands import COMMANDS
from schemas.envelope import IGNORABLE
from schemas.records import DeadLetterReason
from schemas.results import Outcome, Reason
from workers.runtime.metric import (
    ChoreName,
    Connection,
    Forgotten,
    Found,
    Kind,
    Label,
    Metric,
    Recall,
    Remembered,
    Step,
)
from workers.runtime.roles import ALL_ROLES, AUDIT, BATCH_ROLES, CONSUMERS, SERVE, Role

UNKNOWN_TYPE = "Unknown"
"""The label of a command whose type is not in the contract, so that no sender's text becomes a label."""
TIMER_KINDS = tuple(kind for kind in DueKind if kind is not DueKind.FAN_OUT)
_REFUSALS = (Reason.UNAUTHENTICATED, Reason.FORBIDDEN)

_STEP_SECONDS = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0)
_NUMBERS = (0.0, 1.0, 10.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0)

_EVERY = (*ALL_ROLES, SERVE, AUDIT)
_POOLED = (*ALL_ROLES, SERVE)
_TIMERS = (Role.TIMERS, SERVE)
_RELAY = (Role.RELAY,)
_LOG = (Role.RELAY, SERVE)
_REPLAYS = (Role.REPLAYS,)
_MAINTENANCE = (Role.MAINTENANCE,)
_TOKENS = (Role.ADMIN_COMMANDS, SERVE)
_SERVE = (SERVE,)
_AUDIT = (AUDIT,)
_AUDITED = (AUDIT, SERVE)


def _one_of(name: str, values: Iterable[str]) -> Label:
    return Label(name, tuple(values))


def _bounded(name: str, bound: str) -> Label:
    return Label(name, bound=bound)


def _counter(name: str, words: str, roles: tuple[str, ...], *labels: Label, needs_tokens: bool = False) -> Metric:
    return Metric(Kind.COUNTER, name, words, roles, labels, needs_tokens=needs_tokens)


def _gauge(name: str, words: str, roles: tuple[str, ...], *labels: Label, needs_tokens: bool = False) -> Metric:
    return Metric(Kind.GAUGE, name, words, roles, labels, needs_tokens=needs_tokens)


def _histogram(
    name: str, words: str, roles: tuple[str, ...], *labels: Label, buckets: tuple[float, ...] = ()
) -> Metric:
    return Metric(Kind.HISTOGRAM, name, words, roles, labels, buckets)


_PARTITION = (_bounded("topic", "the topics that it reads"), _bounded("partition", "the partitions assigned to it"))
_CONSUMER = _one_of("role", CONSUMERS)
_BATCHES = _one_of("role", BATCH_ROLES)
_TYPE = _one_of("type", (*COMMANDS, UNKNOWN_TYPE))
_KIND = _one_of("kind", Remembered)
_PATH = _bounded("path", "the paths as they are declared, and `none`")

_DECLARED = (
    # Every process
    _gauge(
        "whopays_build_info",
        "Always 1; the labels say what runs here",
        _EVERY,
        _bounded("version", "the versions (one)"),
        _bounded("python", "the Pythons (one)"),
    ),
    _gauge(
        "whopays_role_heartbeat_timestamp_seconds",
        "Unix time of a role's last sign of life",
        _EVERY,
        _bounded("role", "the roles that it plays"),
    ),
    _gauge(
        "whopays_database_connections", "Connections of the pool to the database", _POOLED, _one_of("state", Connection)
    ),
    _gauge("whopays_database_connections_limit", "Maximum number of connections of the pool", _POOLED),
    # Consumers
    _gauge(
        "whopays_consumer_lag_records",
        "Offsets of a partition, up to its end, that are not decided yet",
        CONSUMERS,
        *_PARTITION,
    ),
    _gauge(
        "whopays_consumer_lag_seconds",
        "Age of a partition's oldest record that is not decided, by the record's timestamp; 0 if there is none",
        CONSUMERS,
        *_PARTITION,
    ),
    _gauge(
        "whopays_open_transaction_seconds",
        "For how long a producer's open transaction has held a partition up; 0 if none does",
        CONSUMERS,
        *_PARTITION,
    ),
    _gauge("whopays_consumer_waiting_records", "Records in memory that no batch has taken yet", CONSUMERS, _CONSUMER),
    _gauge("whopays_consumer_waiting_bytes", "Memory of the records that no batch has taken yet", CONSUMERS, _CONSUMER),
    _counter(
        "whopays_records_lost_total",
        "Offsets that were deleted from a topic before they were read",
        CONSUMERS,
        _CONSUMER,
    ),
    # Batches
    _histogram("whopays_batch_seconds", "Time from reading a batch to its commit", BATCH_ROLES, _BATCHES),
    _histogram(
        "whopays_batch_records", "Records, or due instants, of a batch", BATCH_ROLES, _BATCHES, buckets=_NUMBERS
    ),
    _histogram(
        "whopays_batch_step_seconds",
        "Time that a batch spent in a step, in all its tries",
        BATCH_ROLES,
        _BATCHES,
        _one_of("step", Step),
        buckets=_STEP_SECONDS,
    ),
    _counter("whopays_batch_retries_total", "Batch retries because the database was unavailable or busy", BATCH_ROLES),
    _counter(
        "whopays_memory_lookups_total",
        "Rows that batches needed, by whether they were remembered or had to be loaded",
        BATCH_ROLES,
        _KIND,
        _one_of("outcome", Recall),
    ),
    _gauge("whopays_memory_entries", "Rows that a process remembers", BATCH_ROLES, _KIND),
    # Decisions
    _counter("whopays_commands_total", "Commands answered", BATCH_ROLES, _TYPE, _one_of("outcome", Outcome)),
    _counter(
        "whopays_commands_rejected_total",
        "Commands rejected, by the first rule that each broke",
        BATCH_ROLES,
        _TYPE,
        _one_of("reason", Reason),
    ),
    _counter(
        "whopays_commands_refused_total",
        "Commands refused because of their sender",
        BATCH_ROLES,
        _one_of("reason", _REFUSALS),
    ),
    _counter(
        "whopays_commands_repeated_total",
        "Commands sent again with the same meaning, which change nothing",
        BATCH_ROLES,
    ),
    _counter(
        "whopays_facts_stale_total", "Facts that were known already, or are older than what is known", BATCH_ROLES
    ),
    _counter(
        "whopays_dead_letters_total",
        "Records that could not be answered",
        BATCH_ROLES,
        _one_of("reason", DeadLetterReason),
    ),
    _counter(
        "whopays_attributes_ignored_total",
        "Malformed attributes that were left out",
        BATCH_ROLES,
        _one_of("attribute", IGNORABLE),
    ),
    _counter("whopays_key_mismatch_total", "Records whose key was not their organization", BATCH_ROLES),
    # Timers
    _gauge(
        "whopays_timers_overdue",
        "Bindings and payment profiles that are due and not handled yet",
        _TIMERS,
        _one_of("kind", TIMER_KINDS),
    ),
    _gauge(
        "whopays_timers_overdue_seconds", "For how long the first of them has been due; 0 if there is none", _TIMERS
    ),
    _gauge("whopays_fan_outs_open", "Changes of phase that are still being announced to projects", _TIMERS),
    # The relay
    _gauge("whopays_relay_active", "Slots that this process publishes; 0 where it waits for another's lease", _RELAY),
    _gauge("whopays_relay_slots", "Slots among which relays divide the shards, as this process is set", _RELAY),
    _histogram("whopays_relay_transaction_seconds", "Duration of a Kafka transaction of the relay", _RELAY),
    _histogram(
        "whopays_relay_transaction_events",
        "Events of a transaction of the relay; 0 for a watermark alone",
        _RELAY,
        buckets=_NUMBERS,
    ),
    _counter(
        "whopays_relay_interruptions_total", "Errors of PostgreSQL or Kafka after which the relay restarted", _RELAY
    ),
    _counter("whopays_events_published_total", "Events that the relay published", _RELAY),
    _gauge("whopays_events_unpublished", "Events in the log that are not published, or not known to be", _LOG),
    _gauge(
        "whopays_events_unpublished_age_seconds",
        "Age of the first event that is not published; 0 if there is none",
        _LOG,
    ),
    _gauge(
        "whopays_closed_until_timestamp_seconds",
        "Unix time up to which everything is published, and nothing will be added",
        _LOG,
    ),
    # Replays
    _counter("whopays_events_replayed_total", "Events that the role `replays` wrote to replays' topics", _REPLAYS),
    _gauge("whopays_replays_working", "Replays that this process is working on", _REPLAYS),
    _gauge("whopays_replays_waiting", "Running replays that no process works on", (Role.REPLAYS, SERVE)),
    # Maintenance
    _gauge(
        "whopays_maintenance_done_timestamp_seconds",
        "Unix time at which a maintenance chore last had nothing left to do; 0 if it never had",
        _MAINTENANCE,
        _one_of("chore", ChoreName),
    ),
    _counter(
        "whopays_maintenance_failures_total",
        "Errors, other than PostgreSQL or Kafka being unavailable, that ended a chore's turn",
        _MAINTENANCE,
        _one_of("chore", ChoreName),
    ),
    _counter("whopays_archived_events_total", "Events moved from the log to the archive", _MAINTENANCE),
    _counter("whopays_archived_bytes_total", "Bytes of the files written to the archive", _MAINTENANCE),
    _counter("whopays_forgotten_total", "Rows that retention removed", _MAINTENANCE, _one_of("kind", Forgotten)),
    _gauge(
        "whopays_log_positions_left",
        "Positions left in the log's partitions, for the shard that has the fewest",
        _MAINTENANCE,
    ),
    # Tokens
    _counter(
        "whopays_tokens_total",
        "Tokens by outcome: verified, known from before, or refused",
        _TOKENS,
        _one_of("outcome", Found),
        needs_tokens=True,
    ),
    _counter(
        "whopays_grants_ignored_total", "Grants of verified tokens in an unknown form", _TOKENS, needs_tokens=True
    ),
    _gauge(
        "whopays_issuer_keys_read_timestamp_seconds",
        "Unix time at which an issuer's keys were last read; 0 if they never were, and its tokens wait",
        _TOKENS,
        _bounded("issuer", "the issuers that are configured"),
        needs_tokens=True,
    ),
    # Questions
    _counter(
        "whopays_http_requests_total",
        "Requests answered",
        _SERVE,
        _PATH,
        _bounded("status", "the statuses that are answered"),
    ),
    _histogram("whopays_http_request_seconds", "Time that an answer took", _SERVE, _PATH),
    _gauge(
        "whopays_dead_letters_waiting",
        "Dead letters that are neither redriven nor discarded",
        _SERVE,
        _one_of("reason", DeadLetterReason),
    ),
    # Audits
    _counter("whopays_audits_total", "Audits that finished", _AUDIT),
    _gauge(
        "whopays_broken_promises",
        "Findings of the last whole audit",
        _AUDITED,
        _bounded("promise", "the promises, once an audit is known"),
    ),
    _gauge("whopays_last_audit_timestamp_seconds", "Unix time of the last audit's end; 0 if there was none", _AUDITED),
    _gauge("whopays_last_audit_duration_seconds", "Time that the last audit took", _AUDIT),
    _gauge("whopays_events_audited", "Events that were in the log when the last audit began", _SERVE),
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in _DECLARED}
"""Every metric by its name, in the order of the docs."""
