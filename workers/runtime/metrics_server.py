"""Serves the metrics over HTTP, and the probes of a process that has any."""

import socket
from collections.abc import Callable, Iterable, Mapping
from socketserver import ThreadingMixIn
from threading import Thread
from types import MappingProxyType
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app

from workers.runtime.probes import Probe, Probed

_PATH = "/metrics"
_REQUEST_SECONDS = 10.0
_POLL_SECONDS = 0.05
"""The longest that closing the server, and so stopping the process, is delayed."""
_READS = frozenset({"GET", "HEAD", "OPTIONS"})

_NO_PROBES: Mapping[str, Probe] = MappingProxyType({})

_Respond = Callable[[str, list[tuple[str, str]]], Any]


class MetricsNotServed(Exception):
    """The metrics cannot be served at their address; the message says why, and what to do."""


class MetricsServer:
    """Serves a registry from its creation until it is closed, or the process ends."""

    def __init__(
        self, address: str, port: int, registry: CollectorRegistry, probes: Mapping[str, Probe] = _NO_PROBES
    ) -> None:
        """Listen; `probes` are by their paths. Raises MetricsNotServed."""
        try:
            family, *_, where = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
            self._server = _Server(where[:2], _Request, family)
        except OSError as error:
            raise MetricsNotServed(
                f"The metrics cannot be served at {address}, port {port}: {error.strerror or error}.\n"
                "Set WHOPAYS_METRICS_PORT to a free port (0 for none), and WHOPAYS_METRICS_ADDRESS to an address of "
                "this host."
            ) from error
        self.port: int = self._server.server_port
        self._server.set_app(_answering(registry, probes))
        self._thread = Thread(target=self._server.serve_forever, args=(_POLL_SECONDS,), name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def __init__(self, where: Any, request: type[WSGIRequestHandler], family: int) -> None:
        self.address_family = family
        super().__init__(where, request)


class _Request(WSGIRequestHandler):
    timeout = _REQUEST_SECONDS

    def log_message(self, format: str, *_: Any) -> None:  # noqa: A002 (the name that the base class gives it)
        """Do not log requests."""


def _answering(
    registry: CollectorRegistry, probes: Mapping[str, Probe]
) -> Callable[[Mapping[str, Any], _Respond], Iterable[bytes]]:
    metrics = make_wsgi_app(registry)

    def respond(request: Mapping[str, Any], start: _Respond) -> Iterable[bytes]:
        probe = probes.get(request["PATH_INFO"])
        if request["PATH_INFO"] != _PATH and probe is None:
            return _refused("404 Not Found", f"There is only {', '.join([_PATH, *probes])}.", start)
        if request["REQUEST_METHOD"] not in _READS:
            return _refused(
                "405 Method Not Allowed", "It can only be read.", start, ("Allow", ", ".join(sorted(_READS)))
            )
        if probe is not None:
            return _told(probe(), start, has_body=request["REQUEST_METHOD"] != "HEAD")
        body: Iterable[bytes] = metrics({**request, "REQUEST_METHOD": _as_get(request["REQUEST_METHOD"])}, start)
        return () if request["REQUEST_METHOD"] == "HEAD" else body

    return respond


def _told(probed: Probed, start: _Respond, *, has_body: bool) -> Iterable[bytes]:
    start("503 Service Unavailable" if probed.troubles else "200 OK", [("Content-Type", "application/json")])
    return [probed.body] if has_body else ()


def _as_get(method: str) -> str:
    return "GET" if method == "HEAD" else method


def _refused(status: str, words: str, start: _Respond, *headers: tuple[str, str]) -> Iterable[bytes]:
    start(status, [("Content-Type", "text/plain; charset=utf-8"), *headers])
    return [f"{words}\n".encode()]
