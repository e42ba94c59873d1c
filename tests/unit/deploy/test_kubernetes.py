"""What is in `deploy/kubernetes` fits together and fits whopays: labels, ports, probes, secrets, settings, commands."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.probes import QUESTIONS
from tests.support.packages import ROOT
from tests.unit.deploy.expressions import wrong
from tests.unit.deploy.manifests import (
    KUBERNETES,
    KUSTOMIZATIONS,
    Pods,
    kustomization,
    manifests,
    of_kind,
    pods,
    selected,
    settings_files,
)
from tests.unit.test_packaging import dockerfile, is_understood
from workers.runtime import probes
from workers.runtime.roles import CONSUMERS, Role
from workers.runtime.settings import Settings

_SECRETS = "/secrets"
_WRITABLE = "/tmp"  # noqa: S108 - of a container, and its own
_VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
_METRICS = "/metrics"
_PATHS = {"http": {question.path for question in QUESTIONS}, "metrics": {_METRICS}}
_OF_WORKERS = set(re.findall(r'"(/[a-z]+)"', Path(probes.__file__).read_text(encoding="utf-8")))
"""What `whopays run` answers beside its metrics."""
_PROBES = ("startupProbe", "livenessProbe", "readinessProbe")

of_all_pods = pytest.mark.parametrize("one", pods(), ids=lambda one: one.name)
of_long_running = pytest.mark.parametrize(
    "one", [one for one in pods() if one.component != "migrate"], ids=lambda one: one.name
)


def test_every_file_is_used_and_there() -> None:
    used = {KUBERNETES / "README.md"}
    for folder in KUSTOMIZATIONS:
        said = kustomization(folder)
        used.add(folder / "kustomization.yaml")
        for name in (*said.get("resources", ()), *said.get("components", ())):
            assert (folder / name).exists(), name
            used.add((folder / name).resolve())
        used |= {folder / file for generator in said.get("configMapGenerator", ()) for file in generator["envs"]}
    assert [path for path in KUBERNETES.rglob("*") if path.is_file() and path not in used] == []


def test_every_role_is_played_once() -> None:
    words = [word for one in pods() for container in one.containers for word in container["args"]]
    assert sorted(word for word in words if word in set(Role)) == sorted(Role)
    assert {"migrate", "topics", "verify", "serve"} <= set(words)


@of_all_pods
def test_what_a_container_runs_is_understood(one: Pods) -> None:
    for container in one.containers:
        assert "command" not in container
        is_understood(container["args"])
        for probe in _PROBES:
            if command := container.get(probe, {}).get("exec"):
                program, *arguments = command["command"]
                assert program == "whopays"
                is_understood(arguments)


@of_all_pods
def test_a_pod_can_write_nothing_and_gain_nothing(one: Pods) -> None:
    ((user, group),) = [rest.split(":") for word, rest in dockerfile() if word == "USER"]
    assert one.spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": int(user),
        "runAsGroup": int(group),
        "fsGroup": int(group),
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert one.spec["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & one.spec.keys()
    for container in one.containers:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


@of_all_pods
def test_a_pod_runs_this_version_with_what_it_needs(one: Pods) -> None:
    (account,) = of_kind("ServiceAccount")
    assert one.spec["serviceAccountName"] == account["metadata"]["name"]
    for container in one.containers:
        assert container["image"] == f"whopays:{_VERSION}"
        assert container["envFrom"] == [{"configMapRef": {"name": "whopays"}}]
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
        assert "memory" in container["resources"]["limits"]


@of_all_pods
def test_secrets_are_files_that_are_mounted(one: Pods) -> None:
    volumes = {volume["name"]: volume for volume in one.spec["volumes"]}
    assert volumes["secrets"]["secret"]["secretName"] == "whopays"
    assert "emptyDir" in volumes["tmp"]
    for container in one.containers:
        mounted = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
        assert {path: mount["name"] for path, mount in mounted.items()} == {_SECRETS: "secrets", _WRITABLE: "tmp"}
        assert mounted[_SECRETS]["readOnly"] is True


@of_long_running
def test_a_pod_is_asked_at_ports_and_paths_that_there_are(one: Pods) -> None:
    (container,) = one.containers
    for name in _PROBES:
        probe = container[name]
        if "exec" not in probe:
            assert probe["httpGet"]["port"] in one.ports
            more = _OF_WORKERS if container["args"][0] == "run" else set()
            assert probe["httpGet"]["path"] in _PATHS[probe["httpGet"]["port"]] | more


def test_workers_are_asked_whether_they_live_work_and_have_begun() -> None:
    asked = {"startupProbe": "/startupz", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
    assert set(asked.values()) == _OF_WORKERS
    for one in pods():
        (container, *_) = one.containers
        if container["args"][0] == "run":
            assert {name: container[name]["httpGet"]["path"] for name in _PROBES} == asked


def test_ports_are_those_that_whopays_listens_at() -> None:
    (variables,) = [rest for word, rest in dockerfile() if word == "ENV"]
    of_image = dict(one.split("=") for one in variables.split())
    for one in pods():
        said = of_image | {entry["name"]: entry["value"] for entry in one.containers[-1].get("env", ())}
        for name, port in one.ports.items():
            setting = {"metrics": "WHOPAYS_METRICS", "http": "WHOPAYS_SERVE"}[name]
            assert str(port) == said[f"{setting}_PORT"]
            assert said[f"{setting}_ADDRESS"] == "0.0.0.0"  # noqa: S104 - what is said, not what is listened on


def test_every_setting_that_is_named_exists() -> None:
    known = {f"WHOPAYS_{name}".upper() for name in Settings.model_fields}
    known |= {f"{name}_FILE" for name in known if name in _can_be_files()}
    named = {entry["name"] for one in pods() for container in one.containers for entry in container.get("env", ())}
    for _, settings in settings_files():
        named |= settings.keys()
    assert named
    assert named <= known


def _can_be_files() -> set[str]:
    table = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    return set(re.findall(r"`(WHOPAYS_\w+)` or `…_FILE`", table))


def test_no_secret_is_written_down() -> None:
    assert of_kind("Secret") == []
    for file, settings in settings_files():
        for name, value in settings.items():
            if name.endswith("_FILE"):
                assert value.startswith(f"{_SECRETS}/")
            else:
                assert name not in _can_be_files() or (name == "WHOPAYS_DATABASE_URL" and ":" not in _user(value)), file


def _user(url: str) -> str:
    return url.partition("://")[2].partition("@")[0]


def test_the_settings_of_the_example_are_right() -> None:
    told: dict[str, str] = {}
    for _, settings in sorted(settings_files()):
        told |= settings
    read = Settings.model_validate(
        {
            name.removeprefix("WHOPAYS_").lower(): json.loads(value) if value.startswith("{") else value
            for name, value in told.items()
            if not name.endswith("_FILE")
        }
    )
    read.insist_on_auth()


def test_selectors_select_what_they_are_for() -> None:
    for one in of_kind("Deployment"):
        (found,) = selected(one["spec"]["selector"])
        assert found.name == one["metadata"]["name"]
        for constraint in one["spec"]["template"]["spec"]["topologySpreadConstraints"]:
            assert selected(constraint["labelSelector"]) == [found]
    budgets = {one["metadata"]["name"]: selected(one["spec"]["selector"]) for one in of_kind("PodDisruptionBudget")}
    assert {name: [one.name for one in found] for name, found in budgets.items()} == {
        one["metadata"]["name"]: [one["metadata"]["name"]] for one in of_kind("Deployment")
    }


def test_services_and_policies_lead_to_ports_that_there_are() -> None:
    (service,) = of_kind("Service")
    (serve,) = selected({"matchLabels": service["spec"]["selector"]})
    assert {port["targetPort"] for port in service["spec"]["ports"]} <= serve.ports.keys()
    for policy in of_kind("NetworkPolicy"):
        reached = selected(policy["spec"]["podSelector"])
        assert reached
        named = {port["port"] for rule in policy["spec"].get("ingress", ()) for port in rule["ports"]}
        assert named <= {port for one in reached for port in one.ports}


def test_nothing_reaches_a_pod_that_no_policy_lets_in() -> None:
    everything = [policy for policy in of_kind("NetworkPolicy") if policy["spec"].get("ingress") == []]
    assert [len(selected(policy["spec"]["podSelector"])) for policy in everything] == [len(pods())]
    assert all(policy["spec"]["policyTypes"] == ["Ingress", "Egress"] for policy in everything)


def test_whoever_makes_traces_reaches_the_collector() -> None:
    folder = KUBERNETES / "components" / "traces"
    (settings,) = [said for file, said in settings_files() if file.startswith("components/traces/")]
    (policy,) = yaml.safe_load_all((folder / "network.yaml").read_text(encoding="utf-8"))
    assert settings == {"WHOPAYS_TRACES": "otlp"}
    assert all("WHOPAYS_TRACES" not in said for file, said in settings_files() if "traces" not in file), "off elsewhere"
    reached = selected(policy["spec"]["podSelector"])
    assert reached == [one for one in pods() if one.containers[-1]["args"][0] in {"run", "serve"}]
    ((rule,),) = [policy["spec"]["egress"]]
    page = (ROOT / "docs" / "traces.md").read_text(encoding="utf-8")
    (usual,) = re.findall(r"`http://localhost:(\d+)` by default", page)
    assert rule["ports"] == [{"port": int(usual), "protocol": "TCP"}]
    assert rule["to"]


def test_what_is_scraped_is_there() -> None:
    (monitor,) = of_kind("PodMonitor")
    scraped = selected(monitor["spec"]["selector"])
    assert {one.component for one in scraped} == {one.component for one in pods()} - {"serve", "migrate"}
    for endpoint in monitor["spec"]["podMetricsEndpoints"]:
        assert all(endpoint["port"] in one.ports and endpoint["path"] in _PATHS["metrics"] for one in scraped)
    (monitor,) = of_kind("ServiceMonitor")
    (service,) = of_kind("Service")
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    for endpoint in monitor["spec"]["endpoints"]:
        assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
        assert endpoint["path"] in _PATHS["http"]


def test_consumers_are_scaled_by_a_lag_that_is_measured() -> None:
    (scaled,) = of_kind("ScaledObject")
    target = scaled["spec"]["scaleTargetRef"]["name"]
    (workers,) = [one for one in pods() if one.name == target]
    assert set(CONSUMERS) <= set(workers.containers[0]["args"])
    # Further ones would have no partition to read.
    assert scaled["spec"]["maxReplicaCount"] == Settings.model_fields["topic_partitions"].default
    for trigger in scaled["spec"]["triggers"]:
        assert wrong(trigger["metadata"]["query"]) == []


def test_resources_are_served_to_the_control_plane_as_the_docs_say() -> None:
    page = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
    (service,) = of_kind("Service")
    services = of_kind("APIService")
    assert {one["metadata"]["name"] for one in services} == set(re.findall(r"name: (v1alpha1\.\S+)", page))
    for one in services:
        assert one["metadata"]["name"] == f"{one['spec']['version']}.{one['spec']['group']}"
        assert one["spec"]["service"]["name"] == service["metadata"]["name"]


def test_names_are_there_once() -> None:
    names: list[Any] = [(one["kind"], one["metadata"]["name"]) for one in manifests()]
    assert len(names) == len(set(names))
