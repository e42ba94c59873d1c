"""Parses paths by their raw segments, so that an encoded slash never separates two."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from service.kubernetes import discovery, documents
from service.kubernetes.objects import Object
from service.kubernetes.resources import GROUPS, RESOURCES, VERSION, Resource
from service.kubernetes.statuses import no_such_path


@dataclass(frozen=True, slots=True)
class Discovered:
    """A discovery document; `aggregated` returns its aggregated form in a version, if it has one."""

    path: str
    document: Callable[[], Object]
    aggregated: Callable[[str], Object] | None = None


@dataclass(frozen=True, slots=True)
class Objects:
    """Objects of a resource, of one organization or of all; or one object; or, without a resource, a namespace."""

    path: str
    resource: Resource | None
    organization: str | None = None
    name: str | None = None


PathTarget = Discovered | Objects

_RESOURCES = {(resource.group, resource.plural): resource for resource in RESOURCES}


def place_of(raw_path: bytes) -> PathTarget:
    """Return what a path stands for. Raises Refusal for an unknown one.

    Kubernetes' own OpenAPI documents give discovery paths a trailing slash, which clients generated from them send.
    """
    place = _place_of([_part(part) for part in raw_path.removesuffix(b"/").split(b"/")[1:]])
    if raw_path.endswith(b"/") and not isinstance(place, Discovered):
        raise no_such_path()
    return place


def _place_of(parts: list[str]) -> PathTarget:
    match parts:
        case ["version"]:
            return Discovered("/version", discovery.server_version)
        case ["api"]:
            return Discovered("/api", discovery.core_versions, discovery.aggregated_core)
        case ["apis"]:
            return Discovered("/apis", discovery.group_list, discovery.aggregated_groups)
        case ["api", "v1", "namespaces", organization]:
            return Objects("/api/v1/namespaces/{namespace}", None, organization)
        case ["openapi", "v3"]:
            return Discovered("/openapi/v3", documents.root)
        case ["openapi", "v3", "apis", group, version] if group in GROUPS and version == VERSION:
            return Discovered(f"/openapi/v3/apis/{group}/{VERSION}", lambda: documents.document(group))
        case ["apis", group] if group in GROUPS:
            return Discovered(f"/apis/{group}", lambda: discovery.group(group))
        case ["apis", group, version, *rest] if group in GROUPS and version == VERSION:
            return _within(group, rest)
    raise no_such_path()


def _within(group: str, parts: list[str]) -> PathTarget:
    base = f"/apis/{group}/{VERSION}"
    match parts:
        case []:
            return Discovered(base, lambda: discovery.resource_list(group))
        case [plural] if (group, plural) in _RESOURCES:
            return Objects(f"{base}/{plural}", _RESOURCES[group, plural])
        case ["namespaces", organization, plural] if (group, plural) in _RESOURCES:
            path = f"{base}/namespaces/{{namespace}}/{plural}"
            return Objects(path, _RESOURCES[group, plural], organization)
        case ["namespaces", organization, plural, name] if (group, plural) in _RESOURCES:
            path = f"{base}/namespaces/{{namespace}}/{plural}/{{name}}"
            return Objects(path, _RESOURCES[group, plural], organization, name)
    raise no_such_path()


def _part(part: bytes) -> str:
    decoded = unquote_to_bytes(part) if b"%" in part else part
    if not part or b"/" in decoded:
        raise no_such_path()
    return decoded.decode("utf-8", "replace")
