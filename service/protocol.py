"""HTTP as it is read from a connection: uvicorn's protocol, and what it refuses told as a problem."""

import re
import sys

from httptools import HttpParserInvalidMethodError, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.answers import OF_QUESTIONS
from service.problems import MEDIA, Problem

_METHOD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ANY_METHOD = b"PATCH"


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol, which refuses what it cannot read as everything else is refused.

    Its parser knows methods by a list, and ends at any other before the path: such a one is read under a name that it
    knows, and asked under its own. That takes a request that begins with what was received just now, and a method that
    is whole; any other ends the connection.
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

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 (the words of the library)
        """Answer what is no HTTP, or an address that is longer than 64 KiB, with a problem, and end the connection."""
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
