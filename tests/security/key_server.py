"""A server of keys on this host, over real HTTP or HTTPS, which answers as a test tells it to."""

import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


class KeyServer(ThreadingHTTPServer):
    """Serves one document at every path; `answers` may take over a request, and `asked` are the paths asked for."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self._is_encrypted = context is not None
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.document = b""
        self.asked: list[str] = []
        self.answers: Callable[[BaseHTTPRequestHandler], None] = self.give

    @property
    def url(self) -> str:
        """Where the keys are."""
        place = "https://localhost" if self._is_encrypted else "http://127.0.0.1"
        return f"{place}:{self.server_port}/keys?all=1"

    def publish(self, *keys: Mapping[str, Any]) -> None:
        """Replace the published keys."""
        self.document = json.dumps({"keys": keys}).encode()

    def give(self, request: BaseHTTPRequestHandler) -> None:
        """Answer with the document."""
        answer(request, 200, self.document)

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that are gone, which some tests are about."""


def answer(request: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> None:
    """Answer a request with a status, headers and a body."""
    request.send_response(status)
    for name, value in ({"Content_Length": str(len(body))} | headers).items():
        request.send_header(name.replace("_", "-"), value)
    request.end_headers()
    request.wfile.write(body)


@contextmanager
def key_server(context: ssl.SSLContext | None = None) -> Iterator[KeyServer]:
    """Yield a running server, over TLS where it is given a context."""
    with KeyServer(context) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Request(BaseHTTPRequestHandler):
    server: KeyServer

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.server.answers(self)

    def log_message(self, *_: object) -> None:
        """Write no line for each request."""
