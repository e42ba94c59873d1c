"""The HTTP protocol of a connection: uvicorn's, with its refusals sent as problems."""

import re
import sys

from httptools import HttpParserInvalidMethodError, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.answers import OF_QUESTIONS
from service.problems import MEDIA, Problem

_METHOD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ANY_METHOD = b"PATCH"


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol, which answers a malformed request with a problem, like every other refusal.

    Its parser knows a fixed list of methods and fails at any other before it reads the path. Such a request is parsed
    again under a known method, and its own method is restored afterwards. This works only if the request begins with
    the data just received and the method is complete; otherwise the connection is closed.
    """

    _is_between_requests = True
    _beginning = b""
    _unknown_method: str | None = None

    def data_received(self, data: bytes) -> None:
        self._beginning = data if self._is_between_requests else b""
        super().data_received(data)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_between_requests = False

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        if self._unknown_method is not None:
            self.scope["method"] = self._unknown_method
            self._unknown_method = None

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._is_between_requests = True
        self._beginning = b""

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 (the library's message)
        """Answer data that is not HTTP, or a URL longer than 64 KiB, with a problem, and close the connection."""
        if self._read_under_another_method():
            return
        problem = Problem("InvalidParameter", "The request is not HTTP, or its address is longer than 64 KiB.")
        body = problem.body()
        headers = [*OF_QUESTIONS, (b"content-type", MEDIA.encode()), (b"content-length", str(len(body)).encode())]
        lines = [b"%b: %b\r\n" % header for header in (*headers, (b"connection", b"close"))]
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n" + b"".join(lines) + b"\r\n" + body)
        self.transport.close()

    def _read_under_another_method(self) -> bool:
        method, blank, rest = self._beginning.partition(b" ")
        is_unknown = isinstance(sys.exception(), HttpParserInvalidMethodError) and self._unknown_method is None
        if not is_unknown or not _METHOD.fullmatch(method):
            return False
        self._unknown_method = method.decode()
        self.parser = HttpRequestParser(self)
        super().data_received(_ANY_METHOD + blank + rest)
        return True
