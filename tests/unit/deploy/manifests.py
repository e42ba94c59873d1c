"""What is in `deploy/kubernetes`, read as it is written."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from tests.support.packages import ROOT

KUBERNETES = ROOT / "deploy" / "kubernetes"
KUSTOMIZATIONS = tuple(sorted(path.parent for path in KUBERNETES.rglob("kustomization.yaml")))


@dataclass(frozen=True)
class Pods:
    """A Deployment or a Job, by its name, and what its pods are made from."""

    name: str
    labels: Mapping[str, str]
    spec: dict[str, Any]

    @property
    def component(self) -> str:
        """What of whopays it is."""
        return self.labels["app.kubernetes.io/component"]

    @property
    def containers(self) -> list[dict[str, Any]]:
        """All containers of a pod, those that run first included."""
        return [*self.spec.get("initContainers", ()), *self.spec["containers"]]

    @property
    def ports(self) -> dict[str, int]:
        """The ports of a pod by name."""
        return {port["name"]: port["containerPort"] for one in self.containers for port in one.get("ports", ())}


@cache
def manifests() -> tuple[dict[str, Any], ...]:
    """Return every object that is written down, of the base, the components and the example."""
    files = [folder / file for folder in KUSTOMIZATIONS for file in kustomization(folder).get("resources", ())]
    texts = [file.read_text(encoding="utf-8") for file in files if file.is_file()]
    return tuple(one for text in texts for one in yaml.safe_load_all(text))


def kustomization(folder: Any) -> dict[str, Any]:
    """Return a folder's kustomization."""
    read: dict[str, Any] = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    return read


def of_kind(kind: str) -> list[dict[str, Any]]:
    """Return the objects of a kind."""
    return [one for one in manifests() if one["kind"] == kind]


def pods() -> list[Pods]:
    """Return everything that pods are made from."""
    return [
        Pods(one["metadata"]["name"], one["spec"]["template"]["metadata"]["labels"], one["spec"]["template"]["spec"])
        for kind in ("Deployment", "Job")
        for one in of_kind(kind)
    ]


def selected(selector: Mapping[str, Any]) -> list[Pods]:
    """Return the pods that a label selector selects."""
    wanted = selector.get("matchLabels", {}).items()
    found = [one for one in pods() if wanted <= one.labels.items()]
    for expression in selector.get("matchExpressions", ()):
        assert expression["operator"] == "NotIn"
        found = [one for one in found if one.labels.get(expression["key"]) not in expression["values"]]
    return found


def settings_files() -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the files of settings: where each is, and what it sets."""
    for folder in KUSTOMIZATIONS:
        for generator in kustomization(folder).get("configMapGenerator", ()):
            for file in generator["envs"]:
                lines = (folder / file).read_text(encoding="utf-8").splitlines()
                yield str((folder / file).relative_to(KUBERNETES)), dict(line.split("=", 1) for line in lines)
