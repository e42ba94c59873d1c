"""OpenAPI v3 documents, one per group and version, for `kubectl explain` and code generators."""

from hashlib import sha256
from typing import Any

import orjson

from service.kubernetes.objects import Object
from service.kubernetes.resources import GROUPS, VERSION, Resource, resources_of
from service.kubernetes.shapes import META, SCHEMAS, schema_name

_LIST_PARAMETERS = {
    "fieldSelector": ("string", "Only matching objects: terms `field=value` or `field!=value`, separated by commas."),
    "labelSelector": ("string", "Objects have no labels: a selector that requires one finds nothing."),
    "limit": ("integer", "The maximum number of objects in a page."),
    "continue": ("string", "The `metadata.continue` of the previous page, to get the next one."),
    "resourceVersion": ("string", "The position in the log that the answer must reflect, or that the watch follows."),
    "resourceVersionMatch": ("string", "`NotOlderThan`, or `Exact` for the present position."),
}
_WATCH_PARAMETERS = {
    "watch": ("boolean", "Stream changes as they happen instead of returning a list."),
    "allowWatchBookmarks": ("boolean", "Send a bookmark with the position of the watch from time to time."),
    "sendInitialEvents": ("boolean", "Send the existing objects first, then a bookmark."),
    "timeoutSeconds": ("integer", "How long the watch lasts."),
}


def root() -> Object:
    """Return the URLs of the documents; the hash in a URL changes with its document."""
    return {"paths": {f"apis/{group}/{VERSION}": {"serverRelativeURL": _url(group)} for group in GROUPS}}


def document(group: str) -> Object:
    """Return the document of a group and version."""
    used = {META[name] for name in ("ObjectMeta", "ListMeta", "Status")}
    schemas = {name: SCHEMAS[name] for name in sorted(SCHEMAS) if name in used or _is_of(name, group)}
    paths: Object = {}
    for resource in resources_of(group):
        paths |= _paths(resource)
    return {
        "openapi": "3.0.0",
        "info": {"title": "whopays", "version": VERSION, "description": "Who pays for each project; read-only."},
        "tags": [{"name": group, "description": "The resources of this group."}],
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _url(group: str) -> str:
    digest = sha256(orjson.dumps(document(group))).hexdigest()[:32].upper()
    return f"/openapi/v3/apis/{group}/{VERSION}?hash={digest}"


def _is_of(name: str, group: str) -> bool:
    return name.startswith(".".join(reversed(group.split("."))) + ".")


def _paths(resource: Resource) -> Object:
    base = f"/apis/{resource.api_version}"
    namespace = _in_path("namespace", "The organization.")
    return {
        f"{base}/{resource.plural}": {"get": _operation(resource, "list", f"list{resource.kind}ForAllNamespaces")},
        f"{base}/namespaces/{{namespace}}/{resource.plural}": {
            "get": _operation(resource, "list", f"listNamespaced{resource.kind}", [namespace])
        },
        f"{base}/namespaces/{{namespace}}/{resource.plural}/{{name}}": {
            "get": _operation(
                resource, "get", f"readNamespaced{resource.kind}", [namespace, _in_path("name", "The object's name.")]
            )
        },
    }


def _operation(resource: Resource, action: str, operation_id: str, in_path: list[Object] | None = None) -> Object:
    is_list = action == "list"
    parameters = list(in_path or [])
    if is_list:
        named = _LIST_PARAMETERS | (_WATCH_PARAMETERS if in_path and resource.can_be_watched else {})
        parameters += [
            {"name": name, "in": "query", "description": means, "schema": {"type": type_}}
            for name, (type_, means) in named.items()
        ]
    kind = resource.list_kind if is_list else resource.kind
    said = "List objects" if is_list else "Read an object"
    return {
        "operationId": operation_id,
        "description": f"{said} of kind {resource.kind}.",
        "tags": [resource.group],
        "parameters": parameters,
        "responses": {
            "200": _response("OK", schema_name(resource.group, kind)),
            "default": _response("Why the request is refused.", META["Status"]),
        },
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": {"group": resource.group, "version": VERSION, "kind": resource.kind},
    }


def _in_path(name: str, means: str) -> Object:
    return {"name": name, "in": "path", "required": True, "description": means, "schema": {"type": "string"}}


def _response(description: str, schema: str) -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{schema}"}
    return {"description": description, "content": {"application/json": {"schema": reference}}}
