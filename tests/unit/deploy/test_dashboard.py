"""The dashboard: what it shows exists, in its unit, and is explained."""

import itertools
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.debian import program
from tests.support.packages import ROOT
from tests.unit.deploy.expressions import metrics, wrong
from workers.runtime.declared_metrics import METRICS
from workers.runtime.metric import Unit

DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy" / "grafana" / "whopays.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
UNITS = {"s", "none", "short", "bytes", "ops", "reqps", "percentunit"}
_WIDTH = 24
_OF_UNITS = {Unit.SECONDS: "s", Unit.BYTES: "bytes"}

of_each_panel = pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])


def expression(text: str) -> str:
    """Return an expression as Prometheus gets it, with something in the place of Grafana's variables."""
    for variable, value in (("$__rate_interval", "5m"), ("$namespace", ".*"), ("$instance", ".*")):
        text = text.replace(variable, value)
    return text


@of_each_panel
def test_a_panel_says_what_it_shows_and_in_what_unit(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert all(target["legendFormat"] for target in panel["targets"])


@of_each_panel
def test_a_panel_shows_what_there_is(panel: dict[str, Any]) -> None:
    assert panel["targets"]
    for target in panel["targets"]:
        assert wrong(expression(target["expr"])) == []


@of_each_panel
def test_a_panel_shows_only_what_was_chosen(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        chosen = target["expr"].count('{namespace=~"$namespace", instance=~"$instance"')
        assert chosen == target["expr"].count("whopays_") + target["expr"].count("process_")


@of_each_panel
def test_times_and_sizes_are_in_their_units(panel: dict[str, Any]) -> None:
    if panel["fieldConfig"]["defaults"]["unit"] in {"ops", "short", "none", "reqps", "percentunit"}:
        # Counts: nothing that is measured in seconds or bytes, unless it is divided by its number.
        for target in panel["targets"]:
            assert "histogram_quantile" not in target["expr"]
            assert not any(METRICS[name].unit and "_sum" not in target["expr"] for name in metrics(target["expr"]))
        return
    for target in panel["targets"]:
        units = {_OF_UNITS[unit] for name in metrics(target["expr"]) if (unit := METRICS[name].unit)}
        assert units <= {panel["fieldConfig"]["defaults"]["unit"]}


def test_what_goes_to_the_archive_is_shown() -> None:
    shown = {name for panel in PANELS for target in panel["targets"] for name in metrics(expression(target["expr"]))}
    assert {name for name in METRICS if name.startswith(("whopays_archived_", "whopays_forgotten_"))} <= shown


def test_panels_do_not_overlap_and_have_their_own_numbers() -> None:
    places: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= _WIDTH
        taken = set(
            itertools.product(range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])),
        )
        assert places.isdisjoint(taken), panel["title"]
        places |= taken
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(numbers) == len(set(numbers))


def test_one_chooses_the_installation_and_the_process() -> None:
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    assert list(variables) == ["datasource", "namespace", "instance"]
    for name in ("namespace", "instance"):
        assert wrong(expression(variables[name]["query"]["query"])) == []
        # Also matches where there is no such label.
        assert variables[name]["allValue"] == ".*"


def test_prometheus_understands_everyexpression(tmp_path: Path) -> None:
    promtool = program("promtool", "prometheus")
    rules = [
        {"record": f"panel:{panel['id']}:{target['refId']}", "expr": expression(target["expr"])}
        for panel in PANELS
        for target in panel["targets"]
    ]
    assert len(rules) > len(PANELS)
    file = tmp_path / "panels.rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}), encoding="utf-8")
    done = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
