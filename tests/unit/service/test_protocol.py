"""What is read as a request, however it is cut into pieces: each is asked once, under its own method, or refused."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from service.protocol import Protocol

_REST = b" / HTTP/1.1\r\nHost: localhost\r\n\r\n"
_GET, _FOO = b"GET" + _REST, b"FOO" + _REST


@pytest.mark.parametrize(
    ("pieces", "asked"),
    (
        ((_FOO,), ["FOO"]),
        ((b"G", b"E", b"T" + _REST), ["GET"]),
        ((b"FOO ", _REST[1:]), ["FOO"]),
        ((_FOO[:-2], _FOO[-2:]), ["FOO"]),
        ((_FOO + _GET,), ["FOO", "GET"]),
        ((_GET, _FOO, _FOO), ["GET", "FOO", "FOO"]),
        ((b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", b"FOO /", _FOO), ["POST", "FOO"]),
    ),
)
async def test_requests_are_asked_under_their_own_methods(pieces: tuple[bytes, ...], asked: list[str]) -> None:
    async with connected() as (send, reader, found):
        for piece in pieces:
            send(piece)
        for method in asked:
            assert await _answer(reader) == (200, method.encode())
        assert found == asked


@pytest.mark.parametrize(
    ("pieces", "asked"),
    (
        ((b"F", b"OO" + _REST), []),
        # What follows the first piece would be another request by itself.
        ((b"P", b"GET" + _REST), []),
        ((b"X", _GET), []),
        ((b"\r\n" + _FOO,), []),
        ((b"F\x00O" + _REST,), []),
        # The first must not be asked again with the second.
        ((_GET + _FOO,), ["GET"]),
        ((_FOO + _FOO,), ["FOO"]),
        ((b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"0\r\n\r\n" + _FOO), ["POST"]),
    ),
)
async def test_what_cannot_be_read_ends_the_connection(pieces: tuple[bytes, ...], asked: list[str]) -> None:
    async with connected() as (send, reader, found):
        for piece in pieces:
            send(piece)
        status, body = await _answer(reader)
        assert status == 400
        assert body.startswith(b'{"type":"urn:whopays:problem:InvalidParameter"')
        assert await reader.read() == b""
        assert found == asked


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Callable[[bytes], None], asyncio.StreamReader, list[str]]]:
    """Yield what receives pieces as they come, what reads the answers, and the methods that were asked so far."""
    found: list[str] = []

    async def asked(scope: Any, _receive: Any, send: Any) -> None:
        found.append(scope["method"])
        body = scope["method"].encode()
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    config = uvicorn.Config(asked, loop="none", http=Protocol, ws="none", lifespan="off", log_config=None)
    made: asyncio.Queue[Protocol] = asyncio.Queue()

    class Made(Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
            super().connection_made(transport)
            made.put_nowait(self)

    listening = asyncio.get_running_loop().create_server(lambda: Made(config, ServerState(), {}), "127.0.0.1", 0)
    async with await listening as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        protocol = await made.get()
        yield protocol.data_received, reader, found
        writer.close()
        await writer.wait_closed()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: ([0-9]+)\r\n", head)
    assert length is not None
    return int(head.split()[1]), await reader.readexactly(int(length[1]))
