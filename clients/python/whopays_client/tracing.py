"""Traces, for applications that use OpenTelemetry; for others it is never imported."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span

_API = "opentelemetry.trace"
_HEADER = "traceparent"


class Sending:
    """A message being sent: its `trace_parent`, if any, and the span around it, if any."""

    def __init__(self, trace_parent: str | None = None, span: "Span | None" = None) -> None:
        self.trace_parent = trace_parent
        self._span = span

    def answered(self, outcome: str) -> None:
        """Record the outcome of a command."""
        if self._span is not None:
            self._span.set_attribute("whopays.outcome", outcome)


@contextmanager
def sending(name: str, topic: str, trace_parent: str | None) -> Iterator[Sending]:
    """Open a span around sending, if the application has imported OpenTelemetry and gives no `trace_parent`."""
    if trace_parent is not None or _API not in sys.modules:
        yield Sending(trace_parent)
        return
    from opentelemetry.trace import SpanKind, StatusCode, get_tracer  # noqa: PLC0415 - already imported
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415 - likewise

    attributes = {"messaging.system": "kafka", "messaging.operation.type": "send", "messaging.destination.name": topic}
    # Error messages may quote the data sent, so exceptions are not recorded.
    with get_tracer("whopays_client").start_as_current_span(
        f"send {name}",
        kind=SpanKind.PRODUCER,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        carrier: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carrier)
        try:
            yield Sending(carrier.get(_HEADER), span)
        except BaseException as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(StatusCode.ERROR)
            raise


def context_of(trace_parent: str | None) -> "Context":
    """Return the context that a `traceparent` names; an empty one for None. Raises ImportError."""
    from opentelemetry.context import Context  # noqa: PLC0415 - callers have it installed
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415 - likewise

    carrier = {} if trace_parent is None else {_HEADER: trace_parent}
    return TraceContextTextMapPropagator().extract(carrier, Context())
