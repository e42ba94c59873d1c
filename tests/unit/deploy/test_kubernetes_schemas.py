"""The objects of `deploy/kubernetes` are as Kubernetes has them, by its Python client; so is what Kustomize renders."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from tests.support.toolchains import needs
from tests.unit.deploy.manifests import KUBERNETES, manifests

_BUILT_IN = re.compile(r"^(v1|(\w+|\w+\.k8s\.io)/v1)$")
_OBJECTS = manifests()


def _model(one: dict[str, Any]) -> str | None:
    """Return the name of an object's model; those of operators have none there."""
    return f"V1{one['kind']}" if _BUILT_IN.match(one["apiVersion"]) else None


def _unknown(value: Any, kind: str, where: str) -> Iterator[str]:
    """Yield the members that the model does not have."""
    if found := re.fullmatch(r"list\[(.*)\]", kind):
        for index, item in enumerate(value):
            yield from _unknown(item, found[1], f"{where}[{index}]")
    elif found := re.fullmatch(r"dict\(str, (.*)\)", kind):
        for key, item in value.items():
            yield from _unknown(item, found[1], f"{where}.{key}")
    elif hasattr(client, kind):
        model = getattr(client, kind)
        names = {json_name: name for name, json_name in model.attribute_map.items()}
        for key, item in value.items():
            if key in names:
                yield from _unknown(item, model.openapi_types[names[key]], f"{where}.{key}")
            else:
                yield f"{where}.{key}"
    elif kind in {"int", "bool"}:
        if type(value).__name__ != kind:
            yield f"{where} is not {kind}"
    elif kind == "str" and not isinstance(value, str):
        yield f"{where} is not str"


def _insist(one: dict[str, Any]) -> None:
    model = _model(one)
    assert model is not None
    assert list(_unknown(one, model, one["kind"])) == []
    # Raises where a member that is required is missing, or a value is none of those that there are.
    client.ApiClient().deserialize(json.dumps(one), model, "application/json")


@pytest.mark.parametrize("one", [one for one in _OBJECTS if _model(one)], ids=lambda one: one["metadata"]["name"])
def test_an_object_is_as_kubernetes_has_it(one: dict[str, Any]) -> None:
    _insist(one)


def test_only_objects_of_operators_are_not_checked() -> None:
    others = {one["apiVersion"].partition("/")[0] for one in _OBJECTS if not _model(one)}
    assert others == {"keda.sh", "monitoring.coreos.com"}


def test_a_member_that_there_is_not_is_noticed() -> None:
    (budget,) = [one for one in _OBJECTS if one["metadata"]["name"] == "whopays-relay" and "Budget" in one["kind"]]
    wrong = budget | {"spec": budget["spec"] | {"maxUnavailabel": 1}}
    assert list(_unknown(wrong, "V1PodDisruptionBudget", "budget")) == ["budget.spec.maxUnavailabel"]


@needs("kubectl")
@pytest.mark.parametrize("folder", ("base", "overlays/example"))
def test_kustomize_renders_it(folder: str) -> None:
    rendered = _rendered(KUBERNETES / folder)
    assert {one["metadata"]["name"] for one in rendered} >= {"whopays-workers", "whopays-migrate", "whopays"}
    configuration = next(one["metadata"]["name"] for one in rendered if one["kind"] == "ConfigMap")
    for one in rendered:
        if _model(one):
            _insist(one)
        if one["kind"] in {"Deployment", "Job"}:
            containers = one["spec"]["template"]["spec"]["containers"]
            assert [each["envFrom"][0]["configMapRef"]["name"] for each in containers] == [configuration]


@needs("kubectl")
def test_an_overlay_switches_traces_on_and_names_its_collector(tmp_path: Path) -> None:
    copy = shutil.copytree(KUBERNETES, tmp_path / "kubernetes")
    overlay = copy / "overlays" / "example"
    file = overlay / "kustomization.yaml"
    said = yaml.safe_load(file.read_text(encoding="utf-8"))
    said["components"].append("../../components/traces")
    file.write_text(yaml.safe_dump(said), encoding="utf-8")
    with (overlay / "settings.env").open("a", encoding="utf-8") as settings:
        settings.write("OTEL_EXPORTER_OTLP_ENDPOINT=http://tempo.observability:4318\n")
    rendered = _rendered(overlay)
    (configuration,) = [one["data"] for one in rendered if one["kind"] == "ConfigMap"]
    assert configuration["WHOPAYS_TRACES"] == "otlp"
    assert configuration["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://tempo.observability:4318"
    assert "whopays-traces" in {one["metadata"]["name"] for one in rendered if one["kind"] == "NetworkPolicy"}


def _rendered(folder: Path) -> list[dict[str, Any]]:
    done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))
