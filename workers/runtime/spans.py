"""OpenTelemetry spans, created after the fact: work that is not sampled costs nothing.

A separate thread sends them to the collector. If the collector is unavailable, spans are lost, and nothing else.
"""

import asyncio
import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import ParamSpec, TypeVar

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.environment_variables import OTEL_TRACES_SAMPLER
from opentelemetry.sdk.resources import (
    SERVICE_INSTANCE_ID,
    SERVICE_NAME,
    SERVICE_VERSION,
    OTELResourceDetector,
    Resource,
)
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider, sampling
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from workers.runtime.metrics import Exemplar
from workers.runtime.settings import Settings
from workers.runtime.traces import Said, is_sampled

P = ParamSpec("P")
T = TypeVar("T")

_SHARE_OF_ROOTS = 0.01
"""The share of traces that start here to record, unless OTEL_TRACES_SAMPLER says otherwise."""
_MOST_LINKS = 100
"""The most contexts that a span links to, below OpenTelemetry's limit."""
_NANOSECONDS = 1e9
_SILENT_SECONDS = 60.0

logger = structlog.get_logger()


class Spans:
    """Records the spans of a process."""

    def __init__(self, settings: Settings, roles: Sequence[str], exporter: SpanExporter | None = None) -> None:
        """`exporter` replaces the collector that OpenTelemetry's environment variables name."""
        self._ids = RandomIdGenerator()
        self._sampler = _sampler()
        # Sampling is decided here, before a span is created.
        self._provider = TracerProvider(
            sampling.ALWAYS_ON, _resource(settings, roles), shutdown_on_exit=False, id_generator=self._ids
        )
        self._provider.add_span_processor(BatchSpanProcessor(_WarningExporter(exporter or OTLPSpanExporter())))
        # Trouble with the collector is reported in log lines of ours, which quote nothing.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        self._tracer = self._provider.get_tracer("whopays", version("whopays"))

    def sampled(self, trace_parent: str | None, name: str) -> SpanContext | None:
        """Return the context of a well-formed `traceparent`, if a span called `name` in it is to be recorded.

        A trace that its sender does not record is not recorded here either, whatever the sampler.
        """
        if trace_parent is None or not is_sampled(trace_parent):
            return None
        context = SpanContext(int(trace_parent[3:35], 16), int(trace_parent[36:52], 16), True, TraceFlags(1))
        return context if self._should_sample(_within(context), context.trace_id, name) else None

    def root(
        self,
        name: str,
        began: float,
        attributes: Said,
        *,
        links: Sequence[SpanContext] = (),
        kind: SpanKind = SpanKind.INTERNAL,
    ) -> Span | None:
        """Start a trace at an instant, in Unix time, if it links to recorded traces or the sampler chooses it."""
        if not links and not self._should_sample(Context(), self._ids.generate_trace_id(), name):
            return None
        span = self._begin(name, Context(), began, links, attributes, kind)
        return span if span.is_recording() else None

    def child(
        self,
        name: str,
        parent: SpanContext,
        began: float,
        ended: float,
        attributes: Said | None = None,
        *,
        links: Sequence[SpanContext] = (),
        kind: SpanKind = SpanKind.INTERNAL,
        has_failed: bool = False,
    ) -> None:
        """Record a finished span, with its start and end in Unix time."""
        span = self._begin(name, _within(parent), began, links, attributes or {}, kind)
        end(span, ended, has_failed=has_failed)

    @property
    def answered(self) -> Callable[[str, str | None, float, float, Said, bool], Exemplar | None]:
        """Like `served`, except that a fault in it costs only the trace."""
        return harmless(self.served)

    def served(
        self, name: str, trace_parent: str | None, began: float, ended: float, said: Said, has_failed: bool
    ) -> Exemplar | None:
        """Record an answered request, in the caller's trace if it has one; return its exemplar.

        Returns None if it is not recorded.
        """
        if trace_parent is None:
            span = self.root(name, began, said, kind=SpanKind.SERVER)
        else:
            context = self.sampled(trace_parent, name)
            span = None if context is None else self._begin(name, _within(context), began, (), said, SpanKind.SERVER)
        if span is None:
            return None
        end(span, ended, has_failed=has_failed)
        return exemplar_of(span)

    def _should_sample(self, parent: Context, trace_id: int, name: str) -> bool:
        return self._sampler.should_sample(parent, trace_id, name).decision is sampling.Decision.RECORD_AND_SAMPLE

    async def close(self) -> None:
        """Send the remaining spans. The caller should set a timeout: a collector may hang."""
        closed, loop = asyncio.Event(), asyncio.get_running_loop()

        def close() -> None:
            self.shut_down()
            with contextlib.suppress(RuntimeError):  # the loop is closed: the caller no longer waits
                loop.call_soon_threadsafe(closed.set)

        # A pool's thread would delay the exit of the process.
        threading.Thread(target=close, name="traces", daemon=True).start()
        await closed.wait()

    def flush(self) -> None:
        """Send recorded spans, however long it takes."""
        self._provider.force_flush()

    def shut_down(self) -> None:
        """Send the remaining spans, however long it takes, and record no more."""
        self._provider.shutdown()

    def _begin(
        self,
        name: str,
        parent: Context,
        began: float,
        links: Sequence[SpanContext],
        attributes: Said,
        kind: SpanKind,
    ) -> Span:
        listed = [Link(one) for one in links[:_MOST_LINKS]]
        return self._tracer.start_span(name, parent, kind, attributes, listed, _nanoseconds(began))


def harmless(trace: Callable[P, T]) -> Callable[P, T | None]:
    """Wrap `trace` so that a fault in it is logged, and does not affect what is traced."""

    def recording(*args: P.args, **kwargs: P.kwargs) -> T | None:
        try:
            return trace(*args, **kwargs)
        except Exception:
            logger.exception("not_traced")
            return None

    return recording


def end(span: Span, ended: float, *, has_failed: bool = False) -> None:
    """End a span at an instant, in Unix time."""
    if has_failed:
        span.set_status(StatusCode.ERROR)
    span.end(_nanoseconds(ended))


def exemplar_of(span: Span) -> Exemplar:
    """Return the exemplar of a span, with the labels that Prometheus and Grafana expect."""
    context = span.get_span_context()
    return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}


def _within(context: SpanContext) -> Context:
    return set_span_in_context(NonRecordingSpan(context), Context())


def _nanoseconds(instant: float) -> int:
    return round(instant * _NANOSECONDS)


def _sampler() -> sampling.Sampler:
    """Return the sampler that OpenTelemetry's environment variables name; by default, one trace in a hundred."""
    if os.environ.get(OTEL_TRACES_SAMPLER):
        return TracerProvider(shutdown_on_exit=False).sampler
    return sampling.ParentBasedTraceIdRatio(_SHARE_OF_ROOTS)


def _resource(settings: Settings, roles: Sequence[str]) -> Resource:
    """Return the resource attributes of this process; OpenTelemetry's environment variables take precedence."""
    ours = {
        SERVICE_NAME: "whopays",
        SERVICE_VERSION: version("whopays"),
        SERVICE_INSTANCE_ID: f"{socket.gethostname()}-{os.getpid()}",
        "whopays.installation": settings.installation,
        "whopays.roles": tuple(map(str, roles)),
    }
    return Resource(ours).merge(OTELResourceDetector().detect())


class _WarningExporter(SpanExporter):
    """Sends spans by another exporter, and logs failures, at most once a minute."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._lost = 0
        self._silent_until = 0.0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans."""
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self._lost += len(spans)
            if time.monotonic() >= self._silent_until:
                logger.warning("spans_not_sent", spans=self._lost)
                self._lost, self._silent_until = 0, time.monotonic() + _SILENT_SECONDS
        return result

    def shutdown(self) -> None:
        """Stop sending."""
        self._exporter.shutdown()
