"""Refusals as Kubernetes sends them: `v1` `Status` objects."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from service.kubernetes.resources import Resource
from service.problems import Problem, quoted

_REASONS = {
    "InvalidParameter": "BadRequest",
    "Unauthenticated": "Unauthorized",
    "Forbidden": "Forbidden",
    "TooManyRequests": "TooManyRequests",
    "Unavailable": "ServiceUnavailable",
    "NotYetKnown": "ServiceUnavailable",
    "EventsExpired": "Expired",
}


class Refusal(Exception):
    """An error answer; `code` is the HTTP status."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        super().__init__(f"{reason}: {message}")
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.headers = headers

    def document(self) -> dict[str, Any]:
        """Return the `Status` object."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            **({} if self.details is None else {"details": dict(self.details)}),
            "code": self.code,
        }

    def body(self) -> bytes:
        """Return the `Status` object as JSON."""
        return orjson.dumps(self.document())


def bad_request(message: str) -> Refusal:
    """Return the refusal of a malformed request."""
    return Refusal(400, "BadRequest", message)


def forbidden(person: str, verb: str, group: str, plural: str, organization: str | None, name: str | None) -> Refusal:
    """Return the refusal of a request that the token does not allow, whether or not the object exists."""
    qualified = f"{plural}.{group}" if group else plural
    named = "" if name is None else f' "{quoted(name)}"'
    where = "at the cluster scope" if organization is None else f'in the namespace "{quoted(organization)}"'
    said = f'User "{person}" cannot {verb} resource "{plural}" in API group "{group}" {where}'
    details = {**({} if name is None else {"name": quoted(name)}), "group": group, "kind": plural}
    return Refusal(403, "Forbidden", f"{qualified}{named} is forbidden: {said}", details=details)


def no_such_path() -> Refusal:
    """Return the refusal of an unknown path, for any method."""
    return Refusal(404, "NotFound", "the server could not find the requested resource", details={})


def no_such_object(resource: Resource, name: str) -> Refusal:
    """Return the refusal of a request for a nonexistent object."""
    named = quoted(name)
    return Refusal(404, "NotFound", f'{_qualified(resource)} "{named}" not found', details=_details(resource, named))


def not_allowed(allowed: str = "GET, HEAD") -> Refusal:
    """Return the refusal of a method that does not read."""
    return Refusal(
        405,
        "MethodNotAllowed",
        "the server does not allow this method on the requested resource",
        details={},
        headers=[(b"allow", allowed.encode())],
    )


def not_watched(resource: Resource) -> Refusal:
    """Return the refusal of a watch on a resource that supports none."""
    return Refusal(
        405,
        "MethodNotAllowed",
        f'watch is not supported on resources of kind "{_qualified(resource)}"',
        details=_details(resource),
        headers=[(b"allow", b"GET, HEAD")],
    )


def not_acceptable(accepted: str) -> Refusal:
    """Return the refusal of a request that accepts none of the available media types."""
    return Refusal(406, "NotAcceptable", f"only the following media types are accepted: {accepted}")


def expired(position: int) -> Refusal:
    """Return the refusal of a `resourceVersion` after which the changes are no longer kept."""
    return Refusal(410, "Expired", f"too old resource version: {position}")


def too_large(position: int, head: int) -> Refusal:
    """Return the refusal of a `resourceVersion` that lies in the future."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return Refusal(
        504,
        "Timeout",
        f"Timeout: Too large resource version: {position}, current: {head}",
        details={"causes": [cause], "retryAfterSeconds": 1},
        headers=[(b"retry-after", b"1")],
    )


def invalid(causes: Sequence[tuple[str, str, str]]) -> Refusal:
    """Return the refusal of conflicting options; a cause is a type, a message and a field."""
    listed = [{"reason": reason, "message": message, "field": field} for reason, message, field in causes]
    said = ", ".join(f"{field}: {message}" for _, message, field in causes)
    return Refusal(
        422,
        "Invalid",
        f'ListOptions.meta.k8s.io "" is invalid: {said}',
        details={"group": "meta.k8s.io", "kind": "ListOptions", "causes": listed},
    )


def internal() -> Refusal:
    """Return the refusal after an internal error, whose details are only in the log."""
    return Refusal(500, "InternalError", "Internal error occurred", details={})


def refusal_of(problem: Problem) -> Refusal:
    """Return the refusal that corresponds to a problem of the shared layers."""
    reason = _REASONS.get(problem.name, "InternalError")
    after = problem.headers.get("Retry-After")
    return Refusal(
        problem.status,
        reason,
        problem.detail,
        details=None if after is None else {"retryAfterSeconds": int(after)},
        headers=[(name.lower().encode(), value.encode()) for name, value in problem.headers.items()],
    )


def _qualified(resource: Resource) -> str:
    return f"{resource.plural}.{resource.group}"


def _details(resource: Resource, name: str | None = None) -> dict[str, str]:
    return {**({} if name is None else {"name": name}), "group": resource.group, "kind": resource.plural}
