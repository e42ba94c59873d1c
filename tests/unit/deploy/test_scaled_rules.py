"""What `make alerts` changes of the rules: times, and nothing else."""

import re
from typing import Any

import pytest
import yaml

from tests.alerting.scaling import scaled
from tests.alerting.scenes import NOT_PROVOKED, SCENES
from tests.unit.deploy.test_alerts import ALERTS, RULES

_HURRIED: dict[str, dict[str, Any]] = {
    rule["alert"]: rule
    for group in scaled(yaml.safe_load(RULES.read_text(encoding="utf-8")))["groups"]
    for rule in group["rules"]
}


@pytest.mark.parametrize(
    ("alert", "expression", "wait"),
    (
        ("WhopaysConsumerLagging", "max by (namespace, topic) (whopays_consumer_lag_seconds) > 10", "10000ms"),
        (
            "WhopaysNobodyAudits",
            "time() - max by (namespace) (whopays_last_audit_timestamp_seconds) > 14400",
            "30000ms",
        ),
        ("WhopaysBatchesRetried", "sum by (namespace) (rate(whopays_batch_retries_total[10000ms])) > 0.1", "10000ms"),
        (
            "WhopaysKeyMismatch",
            (
                "sum by (namespace) (increase(whopays_key_mismatch_total[30000ms])) > 0 or sum by (namespace) "
                "(whopays_key_mismatch_total unless whopays_key_mismatch_total offset 30000ms) > 0"
            ),
            None,
        ),
    ),
)
def test_times_are_shorter(alert: str, expression: str, wait: str | None) -> None:
    assert _HURRIED[alert]["expr"] == expression
    assert _HURRIED[alert].get("for") == wait


@pytest.mark.parametrize("alert", ALERTS)
def test_nothing_but_numbers_changes(alert: str) -> None:
    before, after = ALERTS[alert], _HURRIED[alert]
    for name in before.keys() | after.keys():
        if name in {"expr", "for"}:
            assert _without_times(before[name]) == _without_times(after[name])
        else:
            assert before[name] == after[name]


def test_each_alert_is_provoked_or_it_is_said_why_not() -> None:
    provoked = [alert for scene in SCENES for alert in scene.alerts]
    assert len(provoked) == len(set(provoked))
    assert set(provoked) | set(NOT_PROVOKED) == set(ALERTS)
    assert set(provoked).isdisjoint(NOT_PROVOKED)


def _without_times(text: str) -> str:
    return re.sub(r"\b\d+(\.\d+)?(ms|[smh])?\b", "N", text)
