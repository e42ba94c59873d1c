"""Discovery: the groups, versions and resources, in the plain and the aggregated form, and the server's version."""

from importlib.metadata import version as version_of
from platform import python_version
from typing import Any

from service.kubernetes.objects import Object
from service.kubernetes.resources import GROUPS, VERSION, Resource, resources_of

_SPEAKS = ("1", "33")
"""The version of Kubernetes whose API this is: clients compare their own with it."""

AGGREGATED = ("v2", "v2beta1")
"""The versions of aggregated discovery, the preferred one first."""


def core_versions() -> Object:
    """Return the versions of the core group, an empty list."""
    return {"kind": "APIVersions", "versions": [], "serverAddressByClientCIDRs": []}


def group_list() -> Object:
    """Return all groups."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(group) for group in GROUPS]}


def group(name: str) -> Object:
    """Return one group."""
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name)}


def resource_list(group: str) -> Object:
    """Return the resources of a group's version."""
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{VERSION}",
        "resources": [
            {
                "name": resource.plural,
                "singularName": resource.singular,
                "namespaced": True,
                "kind": resource.kind,
                "verbs": list(resource.verbs),
                **_short_names(resource),
            }
            for resource in resources_of(group)
        ],
    }


def aggregated_core(version: str) -> Object:
    """Return the resources of the core group in the aggregated form."""
    return _discovery(version, [])


def aggregated_groups(version: str) -> Object:
    """Return the resources of all groups in one document."""
    return _discovery(version, [_aggregated(name) for name in GROUPS])


def server_version() -> Object:
    """Return the version of the Kubernetes API, and that of the server."""
    major, minor = _SPEAKS
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"v{major}.{minor}.0+whopays.{version_of('whopays')}",
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"python{python_version()}",
        "compiler": "",
        "platform": "",
    }


def _group(name: str) -> Object:
    version = {"groupVersion": f"{name}/{VERSION}", "version": VERSION}
    return {"name": name, "versions": [version], "preferredVersion": version}


def _discovery(version: str, items: list[Object]) -> Object:
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": items,
    }


def _aggregated(name: str) -> Object:
    resources: list[Object] = [
        {
            "resource": resource.plural,
            "responseKind": {"group": name, "version": VERSION, "kind": resource.kind},
            "scope": "Namespaced",
            "singularResource": resource.singular,
            "verbs": list(resource.verbs),
            **_short_names(resource),
        }
        for resource in resources_of(name)
    ]
    return {
        "metadata": {"name": name, "creationTimestamp": None},
        "versions": [{"version": VERSION, "resources": resources, "freshness": "Current"}],
    }


def _short_names(resource: Resource) -> dict[str, Any]:
    return {"shortNames": list(resource.short_names)} if resource.short_names else {}
