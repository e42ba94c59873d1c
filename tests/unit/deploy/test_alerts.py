"""The alerts: each says what to do, names metrics that exist, and fires when it should and only then."""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.debian import program
from tests.support.packages import ROOT
from tests.unit.deploy.alert_cases import CASES, MINUTES
from tests.unit.deploy.expressions import metrics, wrong
from tests.unit.test_docs import anchors

RULES = ROOT / "deploy" / "prometheus" / "whopays.rules.yaml"
ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
}
Told = tuple[str, dict[str, str], bool]
"""An alert, the series of one of its cases, and whether it fires then."""

of_each_alert = pytest.mark.parametrize("alert", ALERTS.values(), ids=ALERTS)


@of_each_alert
def test_an_alert_names_series_that_exist(alert: dict[str, Any]) -> None:
    assert metrics(alert["expr"])
    assert wrong(alert["expr"]) == []


@of_each_alert
def test_an_alert_says_what_it_means_and_what_to_do(alert: dict[str, Any]) -> None:
    assert set(alert["labels"]) == {"severity"}
    assert alert["labels"]["severity"] in {"critical", "warning"}
    said = alert["annotations"]
    assert set(said) == {"summary", "description", "runbook_url"}
    assert len(said["summary"]) < 100
    assert said["description"].count(".") > 1


@of_each_alert
def test_an_alert_names_only_labels_that_it_has(alert: dict[str, Any]) -> None:
    expression = alert["expr"]
    has = {label.strip() for labels in re.findall(r"\bby \(([^)]*)\)", expression) for label in labels.split(",")}
    has |= set(re.findall(r'(\w+)="', expression)) if "absent(" in expression else set()
    told = set(re.findall(r"\$labels\.(\w+)", " ".join(alert["annotations"].values())))
    assert told <= has


@of_each_alert
def test_an_alert_leads_to_its_section_of_the_book(alert: dict[str, Any]) -> None:
    page, _, section = alert["annotations"]["runbook_url"].partition("#")
    assert page == "docs/operations.md"
    assert section in anchors(ROOT / page)


def test_what_an_alert_names_of_the_log_is_explained() -> None:
    book = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    for name, alert in ALERTS.items():
        for word in re.findall(r"`(\w+_\w+)`", alert["annotations"]["description"]):
            assert f"`{word}`" in book or word == "pg_stat_activity", f"{name}: {word}"


def test_every_alert_has_its_cases() -> None:
    assert set(CASES) == set(ALERTS)


def test_alerts_fire_when_they_should_and_only_then(tmp_path: Path) -> None:
    promtool = program("promtool", "prometheus")
    told = [
        (alert, told, fires)
        for alert, case in CASES.items()
        for told, fires in ((case.fires, True), (case.rests, False))
    ]
    groups = _side_by_side(told)
    assert sum(len(group) for group in groups) == 2 * len(ALERTS)
    file = tmp_path / "cases.yaml"
    tests = [_test(group) for group in groups]
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))
    done = subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _side_by_side(told: Sequence[Told]) -> list[list[Told]]:
    """Return cases that do not disturb each other together: promtool makes a database for each group.

    What an alert looks at is what its own case tells, and nothing else.
    """
    groups: list[list[Told]] = []
    for one in told:
        free = (group for group in groups if all(_names(one).isdisjoint(_names(other)) for other in group))
        group = next(free, None)
        if group is None:
            groups.append([one])
        else:
            group.append(one)
    return groups


def _names(told: Told) -> set[str]:
    """Return the metrics that an alert looks at, and those of its case."""
    alert, series, _ = told
    return metrics(ALERTS[alert]["expr"]).union(*map(metrics, series))


def _test(group: Sequence[Told]) -> dict[str, Any]:
    """Return cases as promtool reads them: an alert fires, or does not, whatever others do."""
    return {
        "name": ", ".join(f"{alert} {'fires' if fires else 'does not fire'}" for alert, _, fires in group),
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for _, told, _ in group for name, values in told.items()],
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{alert}", alertstate="firing"}})',
                "eval_time": f"{MINUTES}m",
                "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
            }
            for alert, _, fires in group
        ],
    }
