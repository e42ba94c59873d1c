"""The metrics by Prometheus' conventions, all series that can be known from the start."""

import asyncio
from collections.abc import Callable

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from audit.metrics import AuditMetrics
from schemas.records import DeadLetterReason
from schemas.results import Outcome
from tests.support.packages import ROOT
from workers.runtime.metrics import Heartbeats, Metrics
from workers.runtime.roles import ALL_ROLES, AUDIT, CONSUMERS, Role

_BASE_UNITS = ("_seconds", "_bytes", "_total", "_info", "_fds")
_OF_THINGS = frozenset({"whopays_events_unpublished", "whopays_broken_promises"})
"""Numbers of things, which have no unit."""

kinds = pytest.mark.parametrize("make", (Metrics, AuditMetrics))


def _names(metrics: Heartbeats) -> dict[str, str]:
    """Return the names of all samples and what they are of."""
    text = generate_latest(metrics.registry).decode()
    return {sample.name: family.type for family in text_string_to_metric_families(text) for sample in family.samples}


@kinds
def test_metrics_are_named_as_prometheus_wants(make: Callable[[], Heartbeats]) -> None:
    metrics = make()
    metrics.alive("x")
    for name, kind in _names(metrics).items():
        assert not name.endswith("_created"), name
        if kind == "counter":
            assert name.endswith("_total"), name
        if kind == "gauge" and name not in _OF_THINGS:
            assert name.endswith(_BASE_UNITS), name


@kinds
def test_every_process_says_what_it_is(make: Callable[[], Heartbeats]) -> None:
    names = _names(make()).keys()
    assert {"whopays_build_info", "process_resident_memory_bytes", "process_cpu_seconds_total"} <= names
    assert {"process_open_fds", "process_start_time_seconds"} <= names


def test_every_known_series_is_there_from_the_start() -> None:
    registry = Metrics().registry
    for counter, label, values in (
        ("whopays_commands_total", "outcome", Outcome),
        ("whopays_dead_letters_total", "reason", DeadLetterReason),
        ("whopays_attributes_ignored_total", "attribute", ("correlationid", "traceparent", "time", "expirytime")),
        ("whopays_records_lost_total", "role", CONSUMERS),
        ("whopays_batch_seconds_count", "role", (*CONSUMERS, Role.TIMERS)),
    ):
        for value in values:
            assert registry.get_sample_value(counter, {label: value}) == 0, (counter, value)
    counters = (
        "key_mismatch",
        "facts_stale",
        "commands_repeated",
        "batch_retries",
        "events_published",
        "events_replayed",
    )
    for counter in counters:
        assert registry.get_sample_value(f"whopays_{counter}_total") == 0, counter


@pytest.mark.parametrize("role", ALL_ROLES)
def test_a_process_has_no_series_of_roles_that_it_does_not_play(role: Role) -> None:
    text = generate_latest(Metrics((role,)).registry).decode()
    for family in text_string_to_metric_families(text):
        assert {sample.labels.get("role", role) for sample in family.samples} <= {role}, family.name


async def test_an_audit_shows_life_until_it_is_interrupted_and_again_once_one_finishes() -> None:
    metrics = AuditMetrics()

    async def shows_life() -> bool:
        metrics._heartbeat.clear()
        showing = asyncio.create_task(metrics.show_life())
        await asyncio.sleep(0)
        showing.cancel()
        heartbeat = metrics.registry.get_sample_value("whopays_role_heartbeat_timestamp_seconds", {"role": AUDIT})
        return heartbeat is not None

    assert await shows_life()
    metrics.interrupted()
    assert not await shows_life()
    metrics.audited({})
    assert await shows_life()


@kinds
def test_each_metric_is_documented(make: Callable[[], Heartbeats]) -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    metrics = make()
    metrics.alive("x")
    if isinstance(metrics, AuditMetrics):
        metrics.audited({})
    for name in _names(metrics):
        if name.startswith("whopays_"):
            family = name.removesuffix("_count").removesuffix("_sum").removesuffix("_bucket")
            assert f"`{family}" in page, name
