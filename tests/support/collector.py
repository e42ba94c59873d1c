"""A collector of traces: it takes OpenTelemetry's protocol over HTTP, and keeps the spans."""

import gzip
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Told:
    """A span as the collector was told of it. Ids are in hexadecimal; `links` are trace and span."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    began: int
    ended: int
    said: Mapping[str, Any]
    links: tuple[tuple[str, str], ...]
    resource: Mapping[str, Any]
    status: int

    @property
    def context(self) -> tuple[str, str]:
        """What a link to the span holds."""
        return (self.trace_id, self.span_id)


@dataclass
class Collector:
    """What a collector got, in the order in which it came; `raw` are the requests."""

    endpoint: str
    spans: list[Told] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    asked: Event = field(default_factory=Event)
    go_on: Event = field(default_factory=Event)
    status: int = 200

    def hang(self) -> None:
        """Answer nobody from now on."""
        self.go_on.clear()

    def environment(self, **more: str) -> dict[str, str]:
        """Return the variables by which a process sends spans here: soon, and none but those that a sender traces."""
        return {
            "WHOPAYS_TRACES": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            "OTEL_TRACES_SAMPLER": "parentbased_always_off",
            **more,
        }

    def of(self, trace_id: str) -> list[Told]:
        """Return the spans of a trace."""
        return [span for span in self.spans if span.trace_id == trace_id]

    def by_context(self, context: tuple[str, str]) -> Told:
        """Return the span that a link, or an exemplar, names."""
        (found,) = [span for span in self.spans if span.context == context]
        return found

    def named(self, name: str) -> list[Told]:
        """Return the spans of a name."""
        return [span for span in self.spans if span.name == name]


@contextmanager
def collecting() -> Iterator[Collector]:
    """Yield a collector that listens on this host."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            collector.asked.set()
            collector.go_on.wait()
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            collector.raw.append(body)
            if collector.status == 200:
                collector.spans += _told(ExportTraceServiceRequest.FromString(body))
            self.send_response(collector.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (likewise)
            """Write no line for each request."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """Let go of who did not wait for an answer."""

    server = Server(("127.0.0.1", 0), Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_port}")
    collector.go_on.set()
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield collector
    finally:
        collector.go_on.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _told(request: ExportTraceServiceRequest) -> Iterator[Told]:
    for of_resource in request.resource_spans:
        resource = _said(of_resource.resource.attributes)
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                yield Told(
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.kind,
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    _said(span.attributes),
                    tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
                    resource,
                    span.status.code,
                )


def _said(attributes: Any) -> dict[str, Any]:
    return {one.key: _value(one.value) for one in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return [_value(one) for one in value.array_value.values] if kind == "array_value" else getattr(value, kind)
