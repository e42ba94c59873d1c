"""The metrics by Prometheus' conventions, all series that can be known from the start."""

import asyncio
from collections.abc import Callable

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from audit.metrics import AuditMetrics
from workers.runtime.instruments import Instruments
from workers.runtime.metric import Found
from workers.runtime.metrics import Heartbeats, Metrics
from workers.runtime.roles import ALL_ROLES, AUDIT, Role
from workers.runtime.tokens.counting import TokenMetrics

kinds = pytest.mark.parametrize("make", (Metrics, AuditMetrics))


def _names(metrics: Heartbeats) -> dict[str, str]:
    """Return the names of all samples and what they are of."""
    text = generate_latest(metrics.registry).decode()
    return {sample.name: family.type for family in text_string_to_metric_families(text) for sample in family.samples}


@kinds
def test_every_process_says_what_it_is(make: Callable[[], Heartbeats]) -> None:
    names = _names(make()).keys()
    assert {"whopays_build_info", "process_resident_memory_bytes", "process_cpu_seconds_total"} <= names
    assert {"process_open_fds", "process_start_time_seconds"} <= names


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
    metrics.audited({}, 1.0)
    assert await shows_life()


def test_grants_that_are_ignored_are_counted_beside_tokens() -> None:
    instruments = Instruments((Role.ADMIN_COMMANDS,), checks_tokens=True)
    counted = TokenMetrics(instruments)
    counted.token(Found.VERIFIED, ignored_grants=2)
    counted.token(Found.VERIFIED, ignored_grants=1)
    counted.token(Found.KNOWN)
    told = instruments.registry.get_sample_value
    assert told("whopays_grants_ignored_total") == 3
    assert [told("whopays_tokens_total", {"outcome": found}) for found in Found] == [2, 1, 0]
