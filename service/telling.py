"""Observability of a request: once it is answered, a log line, metrics, and a span if it is traced."""

import time

import structlog
from starlette.types import Scope

from schemas.tracing import is_trace_parent
from service.state import State, Trace
from workers.runtime.metrics import Exemplar

logger = structlog.get_logger()

_LONGEST_TRACE_PARENT = 512
_FAILED = 500


def tell(state: State, scope: Scope, request_id: str, path: str, status: int, seconds: float) -> None:
    """Log, count and trace an answered request; `path` is the declared path, never the one requested."""
    exemplar = None if state.trace is None else _trace(state.trace, scope, request_id, path, status, seconds)
    state.metrics.answered(path, status, seconds, exemplar)
    logger.info(
        "answered",
        request_id=request_id,
        method=scope["method"],
        path=path,
        status=status,
        milliseconds=round(seconds * 1000, 3),
    )


def _trace(trace: Trace, scope: Scope, request_id: str, path: str, status: int, seconds: float) -> Exemplar | None:
    attributes = {
        "http.request.method": scope["method"],
        "http.route": path,
        "http.response.status_code": status,
        "whopays.request_id": request_id,
    }
    ended, name = time.time(), f"{scope['method']} {path}"
    return trace(name, _trace_parent(scope), ended - seconds, ended, attributes, status >= _FAILED)


def _trace_parent(scope: Scope) -> str | None:
    """Return the `traceparent` of a request, if it has a well-formed one."""
    values = [value for name, value in scope["headers"] if name == b"traceparent"]
    text = values[0].decode("latin-1") if len(values) == 1 and len(values[0]) <= _LONGEST_TRACE_PARENT else ""
    return text if is_trace_parent(text) else None
