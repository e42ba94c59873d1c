"""What is taken of a server of keys, and what is not."""

import asyncio
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from tests.security.issuers.conftest import SECOND, verifying
from tests.security.key_server import KeyServer, answer
from tests.support.tokens import TokenIssuer
from workers.runtime.tokens import reading


def _redirect(request: BaseHTTPRequestHandler) -> None:
    answer(request, 302, Location="/elsewhere")


def _compressed(request: BaseHTTPRequestHandler) -> None:
    answer(request, 200, b'{"keys":[]}', Content_Encoding="gzip")


def _endless(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + b" " * 400_000)


def _cut(request: BaseHTTPRequestHandler) -> None:
    answer(request, 200, b'{"keys":[]}', Content_Length="100")


def _garbled(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"\x16\x03\x01 not HTTP at all\r\n\r\n")


@pytest.mark.parametrize(
    ("answers", "why"),
    (
        (_redirect, "status 302, not 200"),
        (_compressed, "compressed"),
        (_endless, "longer than 256 KiB"),
        (_cut, "ended before its end"),
        (_garbled, "not valid HTTP"),
    ),
)
async def test_answers_that_are_not_taken(
    server: KeyServer, own: TokenIssuer, answers: Callable[[BaseHTTPRequestHandler], None], why: str, lines: list[Any]
) -> None:
    async with verifying(server.url) as guard:
        await guard.accepts(own.token())
        server.answers = answers
        await guard.refuses(own.token(key=SECOND), "kid is not the id of one")
        await guard.accepts(own.token("bob"))
    (said,) = (line for line in lines if line["event"] == "issuer_keys_not_read")
    assert why in said["why"]
    assert "/elsewhere" not in server.asked


async def test_no_proxy_is_asked(server: KeyServer, own: TokenIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with verifying(server.url) as guard:
        await guard.accepts(own.token())


async def test_a_server_that_hangs_is_given_up(
    server: KeyServer, own: TokenIssuer, monkeypatch: pytest.MonkeyPatch, lines: list[Any]
) -> None:
    monkeypatch.setattr(reading, "READ_SECONDS", 0.2)
    gone = threading.Event()

    def drip(request: BaseHTTPRequestHandler) -> None:
        try:
            request.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
            while not gone.wait(0.05):
                request.wfile.write(b" ")
        except OSError:
            gone.set()

    async with verifying(server.url) as guard:
        await guard.accepts(own.token())
        server.answers = drip
        await guard.refuses(own.token(key=SECOND), "kid is not the id of one")
        assert any(line["event"] == "issuer_keys_not_read" for line in lines)
        assert await asyncio.to_thread(gone.wait, 30), "the connection is ended"
        server.answers = server.give
        await guard.accepts(own.token("bob"))
