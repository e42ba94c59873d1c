"""Reading an issuer's keys, from a file or over HTTP, within limits of size and time.

HTTP redirects and proxies are not used: keys come from the configured address, or not at all.
"""

import asyncio
import contextlib
import http.client
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Protocol
from urllib.parse import urlsplit

from workers.runtime.issuers import Issuer
from workers.runtime.tokens.keys import UnusableKeys

LARGEST_DOCUMENT_BYTES = 256 * 1024
READ_SECONDS = 10.0
_AGAIN_SECONDS_FILE = 2.0
_AGAIN_SECONDS_URL = 300.0
_PIECE_BYTES = 65536
_OK = 200


class Source(Protocol):
    """Where an issuer's keys are read from."""

    again_seconds: float
    """The interval between reads."""

    def read(self) -> bytes:
        """Return the document. Raises OSError, UnusableKeys."""

    def give_up(self) -> None:
        """Abort a `read` in another thread that has taken too long."""


def source_of(issuer: Issuer) -> Source:
    """Return the source of an issuer's keys."""
    return _File(issuer.path) if issuer.path is not None else _Url(issuer.jwks)


async def read(source: Source) -> bytes:
    """Read in a thread that can be abandoned. Raises OSError (including TimeoutError), UnusableKeys."""
    try:
        async with asyncio.timeout(READ_SECONDS):
            return await _in_thread(source.read)
    except (TimeoutError, asyncio.CancelledError):
        source.give_up()
        raise


class _File:
    again_seconds = _AGAIN_SECONDS_FILE

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> bytes:
        if not self._path.is_file():  # reading a pipe would block
            raise UnusableKeys("it is not a file" if self._path.exists() else "there is no such file")
        with self._path.open("rb") as file:
            return _limited(file.read(LARGEST_DOCUMENT_BYTES + 1))

    def give_up(self) -> None:
        """Do nothing: a blocking file read cannot be aborted."""


class _Url:
    again_seconds = _AGAIN_SECONDS_URL

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        # Additional authorities can be named by SSL_CERT_FILE, as for any program.
        self._trust = ssl.create_default_context() if parts.scheme == "https" else None
        self._socket: socket.socket | None = None

    def read(self) -> bytes:
        deadline = time.monotonic() + READ_SECONDS
        connection = self._connecting()
        try:
            connection.connect()
            # Kept here, because the connection drops its reference when the response takes over the socket.
            self._socket = connection.sock
            connection.request("GET", self._path, headers={"Accept": "application/json", "Accept-Encoding": "identity"})
            with connection.getresponse() as answer:
                return _document(answer, deadline)
        except http.client.HTTPException as error:
            raise UnusableKeys(f"the answer is not valid HTTP: {type(error).__name__}") from error
        finally:
            connection.close()

    def give_up(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _connecting(self) -> http.client.HTTPConnection:
        if self._trust is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=READ_SECONDS)
        return http.client.HTTPSConnection(self._host, self._port, timeout=READ_SECONDS, context=self._trust)


def _document(answer: http.client.HTTPResponse, deadline: float) -> bytes:
    if answer.status != _OK:
        raise UnusableKeys(f"it is answered with status {answer.status}, not {_OK} (no redirect is followed)")
    if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnusableKeys("it is compressed, which was not requested")
    document = b""
    while piece := answer.read1(_PIECE_BYTES):
        document = _limited(document + piece)
        if time.monotonic() > deadline:
            raise TimeoutError
    if int(answer.headers.get("Content-Length", len(document))) != len(document):
        raise UnusableKeys("the connection ended before its end")
    return document


def _limited(document: bytes) -> bytes:
    if len(document) > LARGEST_DOCUMENT_BYTES:
        raise UnusableKeys(f"it is longer than {LARGEST_DOCUMENT_BYTES // 1024} KiB")
    return document


async def _in_thread(work: Callable[[], bytes]) -> bytes:
    """Run `work` in a daemon thread, which, unlike the loop's own threads, does not delay the exit of the process."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bytes] = loop.create_future()

    def settle(result: bytes | None, error: Exception | None) -> None:
        if done.done():
            return
        if result is None:
            done.set_exception(error or UnusableKeys("it is empty"))
        else:
            done.set_result(result)

    def run() -> None:
        result, failed = None, None
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 (it is raised where the result is awaited)
            failed = error
        with contextlib.suppress(RuntimeError):  # the loop may be closed by now
            loop.call_soon_threadsafe(settle, result, failed)

    Thread(target=run, name="issuer-keys", daemon=True).start()
    return await done
