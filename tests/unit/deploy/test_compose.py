"""What `compose.yaml` watches whopays with: files that are there, targets that answer, a dashboard that is found."""

import subprocess
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from tests.support.debian import program
from tests.support.packages import ROOT
from tests.unit.test_packaging import PARTS, compose, dockerfile

_PROMETHEUS, _GRAFANA = (ROOT / "deploy" / name for name in ("prometheus", "grafana"))


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _mounted(service: str) -> dict[PurePosixPath, Path]:
    """Return what of this repository a service sees, by where it sees it."""
    volumes = [volume.split(":") for volume in compose()["services"][service]["volumes"]]
    return {PurePosixPath(inside): ROOT / outside for outside, inside, *_ in volumes if outside.startswith("./")}


def test_files_that_are_mounted_are_there_and_stay_as_they_are() -> None:
    for service in compose()["services"].values():
        for volume in service.get("volumes", ()):
            if volume.startswith("./"):
                assert volume.endswith(":ro")
                assert (ROOT / volume.split(":")[0]).exists(), volume


def test_every_part_is_scraped_where_it_tells_its_metrics() -> None:
    (ports,) = [rest.split() for word, rest in dockerfile() if word == "EXPOSE"]
    (job,) = _read(_PROMETHEUS / "compose.yaml")["scrape_configs"]
    targets = [target for static in job["static_configs"] for target in static["targets"]]
    # What `serve` tells takes a token, which is not here.
    assert sorted(targets) == sorted(f"{part}:{ports[0]}" for part in PARTS if part != "serve")


def test_prometheus_finds_its_rules() -> None:
    mounted = _mounted("prometheus")
    configuration = PurePosixPath("/etc/prometheus/prometheus.yml")  # where its image looks
    assert mounted[configuration] == _PROMETHEUS / "compose.yaml"
    rules = [mounted[configuration.parent / name] for name in _read(mounted[configuration])["rule_files"]]
    assert rules == [_PROMETHEUS / "whopays.rules.yaml"]


def test_prometheus_understands_its_configuration() -> None:
    promtool = program("promtool", "prometheus")
    done = subprocess.run(
        [promtool, "check", "config", _PROMETHEUS / "compose.yaml"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_grafana_finds_prometheus_and_the_dashboard() -> None:
    provisioning = _GRAFANA / "provisioning"
    (source,) = _read(provisioning / "datasources" / "prometheus.yaml")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert source["type"] == "prometheus"
    (traces,) = _read(provisioning / "datasources" / "jaeger.yaml")["datasources"]
    assert source["jsonData"]["exemplarTraceIdDestinations"] == [{"name": "trace_id", "datasourceUid": traces["uid"]}]
    assert traces["url"].startswith("http://jaeger:")
    (port,) = compose()["services"]["jaeger"]["ports"]
    assert traces["url"].rpartition(":")[2] == port.rpartition(":")[2]
    (provider,) = _read(provisioning / "dashboards" / "whopays.yaml")["providers"]
    dashboard = PurePosixPath(provider["options"]["path"]) / "whopays.json"
    grafana = compose()["services"]["grafana"]
    assert _mounted("grafana")[dashboard] == _GRAFANA / "whopays.json"
    assert grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] == str(dashboard)
    assert _mounted("grafana")[PurePosixPath("/etc/grafana/provisioning")] == provisioning


def test_only_this_machine_reaches_what_compose_runs() -> None:
    for name, service in compose()["services"].items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name
