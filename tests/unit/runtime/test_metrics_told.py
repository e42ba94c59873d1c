"""What a process notes is what its metrics tell, number by number."""

import math
import platform
import time
from collections import Counter
from datetime import UTC, datetime
from importlib.metadata import version

import pytest
from aiokafka import TopicPartition

from audit.findings import Promise
from audit.metrics import AuditMetrics
from db.audits import Begun, LastAudit
from db.memory import Memory
from db.watching import Overdue
from domain.dead_letters import Dead
from domain.messages import DueKind, Folded
from schemas.records import DeadLetterReason
from schemas.results import Outcome, Reason
from service.metrics import ServiceMetrics
from tests.unit.schemas.building import structured
from workers.runtime.declared_metrics import TIMER_KINDS
from workers.runtime.metric import ChoreName, Forgotten, Step
from workers.runtime.metrics import Heartbeats, Metrics, known_type
from workers.runtime.roles import SERVE, Role
from workers.runtime.steps import StepClock

_AT = datetime(2031, 5, 6, tzinfo=UTC)
_HOUR = 3600.0
_OVERDUE = Overdue({kind: 10 + number for number, kind in enumerate(TIMER_KINDS)}, 2.5, 7)


def _told(metrics: Heartbeats, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"whopays_{name}", labels)


def _overdue(metrics: Heartbeats) -> dict[str, float | None]:
    numbers = {str(kind): _told(metrics, "timers_overdue", kind=kind) for kind in TIMER_KINDS}
    return {**numbers, "": _told(metrics, "timers_overdue_seconds"), "open": _told(metrics, "fan_outs_open")}


def test_what_a_batch_came_to() -> None:
    metrics, memory, role = Metrics(), Memory(10, lambda _: 0), Role.ADMIN_COMMANDS
    metrics.watch_memory(memory)
    create = "io.milo.billing.CreateAccount.v1"
    dead = Dead(structured("BindProject", {}), DeadLetterReason.TOMBSTONE, "why", is_private=False, boundary="acme")
    folded = Folded(
        stale_facts=2,
        repeated_commands=3,
        outcomes=Counter({(create, Outcome.APPLIED): 4, ("other", Outcome.REJECTED): 5}),
        rejected=Counter({("other", Reason.UNKNOWN_COMMAND): 6}),
        refused=Counter({Reason.FORBIDDEN: 7}),
        dead={0: dead},
    )
    clock = StepClock()
    with clock(Step.LOAD):
        pass
    for _ in range(2):  # what was remembered meanwhile is counted once
        memory.accounts.hits, memory.accounts.misses = (3, 2) if not _told_hits(metrics) else (0, 0)
        metrics.decided(role, 8, folded, 9, clock)
    assert _told_hits(metrics) == 3
    assert _told(metrics, "memory_lookups_total", kind="accounts", outcome="miss") == 2
    assert (memory.accounts.hits, memory.accounts.misses) == (0, 0)
    assert _told(metrics, "memory_entries", kind="accounts") == 0
    told = {
        "stale": _told(metrics, "facts_stale_total"),
        "repeated": _told(metrics, "commands_repeated_total"),
        "applied": _told(metrics, "commands_total", type="CreateAccount", outcome=Outcome.APPLIED),
        "rejected": _told(metrics, "commands_total", type="Unknown", outcome=Outcome.REJECTED),
        "why": _told(metrics, "commands_rejected_total", type="Unknown", reason=Reason.UNKNOWN_COMMAND),
        "refused": _told(metrics, "commands_refused_total", reason=Reason.FORBIDDEN),
        "mismatches": _told(metrics, "key_mismatch_total"),
        "dead": _told(metrics, "dead_letters_total", reason=DeadLetterReason.TOMBSTONE),
        "batches": _told(metrics, "batch_seconds_count", role=role),
        "records": _told(metrics, "batch_records_sum", role=role),
        "steps": _told(metrics, "batch_step_seconds_count", role=role, step=Step.LOAD),
    }
    assert told == {
        "stale": 4,
        "repeated": 6,
        "applied": 8,
        "rejected": 10,
        "why": 12,
        "refused": 14,
        "mismatches": 18,
        "dead": 2,
        "batches": 2,
        "records": 16,
        "steps": 1,
    }


def _told_hits(metrics: Metrics) -> float | None:
    return _told(metrics, "memory_lookups_total", kind="accounts", outcome="hit")


@pytest.mark.parametrize("type_", ("CreateAccount", "io.milo.billing.Surprise.v1", "io.milo.billing.CreateAccount.v2"))
def test_no_text_of_others_becomes_a_label(type_: str) -> None:
    assert known_type(type_) == "Unknown"
    assert known_type("io.milo.billing.CreateAccount.v1") == "CreateAccount"


def test_what_consumers_note() -> None:
    metrics, partition = Metrics(), TopicPartition("projects", 3)
    of_this = {"topic": "projects", "partition": "3"}
    metrics.behind(partition, 5, None)
    metrics.held_up(partition, None)
    told = [_told(metrics, f"{name}_seconds", **of_this) for name in ("consumer_lag", "open_transaction")]
    assert (told, _told(metrics, "consumer_lag_records", **of_this)) == ([0, 0], 5)
    metrics.behind(partition, 6, time.time() - _HOUR)
    metrics.held_up(partition, time.time() - 2 * _HOUR)
    lag, held_up = (_told(metrics, f"{name}_seconds", **of_this) for name in ("consumer_lag", "open_transaction"))
    assert lag is not None
    assert held_up is not None
    assert _HOUR <= lag < 2 * _HOUR <= held_up
    metrics.behind(partition, 6, time.time() + _HOUR)
    assert _told(metrics, "consumer_lag_seconds", **of_this) == 0, "clocks differ"
    metrics.forget_partition(partition)
    for name in ("consumer_lag_records", "consumer_lag_seconds", "open_transaction_seconds"):
        assert _told(metrics, name, **of_this) is None
    metrics.watch_waiting(Role.PROJECTS, lambda: 4, lambda: 400)
    assert _told(metrics, "consumer_waiting_records", role=Role.PROJECTS) == 4
    assert _told(metrics, "consumer_waiting_bytes", role=Role.PROJECTS) == 400
    metrics.lost(Role.PROJECTS, 11)
    assert _told(metrics, "records_lost_total", role=Role.PROJECTS) == 11
    metrics.retried()
    metrics.ignored(["traceparent", "traceparent"])
    assert _told(metrics, "batch_retries_total") == 1
    assert _told(metrics, "attributes_ignored_total", attribute="traceparent") == 2


def test_what_a_relay_notes() -> None:
    metrics = Metrics()
    metrics.published(3)
    metrics.left(4)
    metrics.divided(5)
    metrics.transacted(6, 0.5)
    metrics.relay_interrupted()
    metrics.closed(_AT)
    metrics.closed(None)
    metrics.relaying(2, closes=True)
    metrics.oldest_unpublished(time.time() - _HOUR)
    age = _told(metrics, "events_unpublished_age_seconds")
    assert age is not None
    assert age >= _HOUR
    metrics.oldest_unpublished(None)
    assert _told(metrics, "events_unpublished_age_seconds") == 0
    told = {
        name: _told(metrics, name)
        for name in (
            "events_published_total",
            "events_unpublished",
            "relay_slots",
            "relay_active",
            "relay_interruptions_total",
            "relay_transaction_seconds_sum",
            "relay_transaction_events_sum",
        )
    }
    assert [*told.values()] == [3, 4, 5, 2, 1, 0.5, 6]
    assert _told(metrics, "closed_until_timestamp_seconds") == _AT.timestamp()
    metrics.relaying(1, closes=False)
    closed = _told(metrics, "closed_until_timestamp_seconds")
    assert closed is not None
    assert math.isnan(closed), "another process knows it"


def test_what_timers_replays_and_maintenance_note() -> None:
    metrics = Metrics()
    metrics.overdue(_OVERDUE)
    numbers = {str(kind): number for kind, number in _OVERDUE.numbers.items()}
    assert _overdue(metrics) == {**numbers, "": 2.5, "open": 7}
    metrics.replays(3, 4)
    metrics.replayed(5)
    assert _told(metrics, "replays_working") == 3
    assert _told(metrics, "replays_waiting") == 4
    assert _told(metrics, "events_replayed_total") == 5
    metrics.maintained({ChoreName.PARTITIONS: _AT, ChoreName.COMMANDS: None}, 6)
    done = {chore: _told(metrics, "maintenance_done_timestamp_seconds", chore=chore) for chore in ChoreName}
    assert done == {**dict.fromkeys(ChoreName, 0), ChoreName.PARTITIONS: _AT.timestamp()}
    assert _told(metrics, "log_positions_left") == 6
    metrics.chore_failed(ChoreName.ARCHIVE)
    failed = [_told(metrics, "maintenance_failures_total", chore=chore) for chore in ChoreName]
    assert failed == [float(chore is ChoreName.ARCHIVE) for chore in ChoreName]
    metrics.forgot(Forgotten.RECORDS, 7)
    metrics.archived(8, 9)
    assert _told(metrics, "forgotten_total", kind=Forgotten.RECORDS) == 7
    assert _told(metrics, "archived_events_total") == 8
    assert _told(metrics, "archived_bytes_total") == 9


def test_what_every_process_notes() -> None:
    metrics = Metrics()
    before = time.time()
    metrics.alive(Role.RELAY)
    shown = _told(metrics, "role_heartbeat_timestamp_seconds", role=Role.RELAY)
    assert shown is not None
    assert before <= shown <= time.time()
    python = platform.python_version()
    assert _told(metrics, "build_info", version=version("whopays"), python=python) == 1
    for made in (Heartbeats((SERVE,)), metrics, ServiceMetrics()):
        assert _told(made, "grants_ignored_total") == 0, "tokens are checked, unless it is said that they are not"
    metrics.watch_pool(lambda: 2, lambda: 3, 4)
    assert _told(metrics, "database_connections", state="in_use") == 2
    assert _told(metrics, "database_connections", state="idle") == 3
    assert _told(metrics, "database_connections_limit") == 4


def test_what_a_server_knows_and_what_it_does_not() -> None:
    metrics = ServiceMetrics()
    reason = DeadLetterReason.UNDECODABLE
    audit = LastAudit(Begun(_AT, 12), _AT, {Promise.LOG: 3})
    metrics.overdue(_OVERDUE)
    metrics.known(5, 1.5, _AT)
    metrics.waiting({reason: 6})
    metrics.replays(7)
    metrics.audited(audit)
    names = (
        "events_unpublished",
        "events_unpublished_age_seconds",
        "closed_until_timestamp_seconds",
        "replays_waiting",
        "events_audited",
        "last_audit_timestamp_seconds",
    )
    assert [_told(metrics, name) for name in names] == [5, 1.5, _AT.timestamp(), 7, 12, _AT.timestamp()]
    assert _told(metrics, "dead_letters_waiting", reason=reason) == 6
    assert _overdue(metrics)["open"] == 7
    metrics.know_nothing()
    unknown = [*(_told(metrics, name) for name in names), *_overdue(metrics).values()]
    unknown += [_told(metrics, "dead_letters_waiting", reason=one) for one in DeadLetterReason]
    assert all(number is not None and math.isnan(number) for number in unknown)
    metrics.known(0, 0, None)
    closed = _told(metrics, "closed_until_timestamp_seconds")
    assert closed is not None
    assert math.isnan(closed)
    metrics.audited(None)
    assert _told(metrics, "last_audit_timestamp_seconds") == 0
    metrics.answered("/x", 404, 0.25, None)
    assert _told(metrics, "http_requests_total", path="/x", status="404") == 1
    assert _told(metrics, "http_request_seconds_sum", path="/x") == 0.25


def test_an_audit_tells_its_findings_and_none_of_what_holds() -> None:
    metrics, before = AuditMetrics(), time.time()
    broken, *others = Promise
    metrics.audited({broken: 3}, 1.5)
    assert _told(metrics, "broken_promises", promise=broken) == 3
    assert [_told(metrics, "broken_promises", promise=one) for one in others] == [0] * len(others)
    assert _told(metrics, "last_audit_duration_seconds") == 1.5
    assert _told(metrics, "audits_total") == 1
    ended = _told(metrics, "last_audit_timestamp_seconds")
    assert ended is not None
    assert before <= ended
    assert set(TIMER_KINDS) == {*DueKind} - {DueKind.FAN_OUT}
