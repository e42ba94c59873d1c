"""A client that costs little: requests that are bytes already, over connections that stay, and answers barely read."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from benchmarks.failures import BenchmarkFailed

_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Asked:
    """How long answers took, in seconds, and how many came a second."""

    times: list[float]
    per_second: float


def get(path: str, accept: str = "application/json") -> bytes:
    """Return a request."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n".encode()


def post(path: str, body: bytes, media: str) -> bytes:
    """Return a request with a body."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {media}\r\nContent-Type: {media}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Connection(asyncio.Protocol):
    """One connection: a request at a time, whose answer has a length; or one whose answer comes in chunks."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._waiting: asyncio.Future[None] | None = None
        self._is_over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the way to send."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take bytes in."""
        self._buffer += data
        self._wake()

    def connection_lost(self, _: Exception | None) -> None:
        """Note the end."""
        self._is_over = True
        self._wake()

    async def ask(self, request: bytes) -> bytes:
        """Return the body of an answer. Raises BenchmarkFailed unless it is one of status 200."""
        length = await self._begin(request)
        if length is None:
            return b"".join([part async for part in self._chunks()])
        await self._until(lambda: len(self._buffer) >= length)
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        return body

    async def stream(self, request: bytes) -> AsyncIterator[bytes]:
        """Yield an answer that comes in chunks, as they come."""
        if await self._begin(request) is not None:
            raise BenchmarkFailed("the answer is no stream")
        async for part in self._chunks():
            yield part

    def close(self) -> None:
        """End it."""
        if self._transport is not None:
            self._transport.abort()

    async def _begin(self, request: bytes) -> int | None:
        """Send a request and return the length of what answers it; None where it comes in chunks."""
        assert self._transport is not None
        self._transport.write(request)
        await self._until(lambda: _END in self._buffer)
        head, _, rest = self._buffer.partition(_END)
        self._buffer = rest
        if not head.startswith(b"HTTP/1.1 200 "):
            raise BenchmarkFailed(f"{request[:200]!r} was answered with {bytes(head[:100] + rest[:500])!r}")
        found = head.lower().partition(b"content-length:")[2]
        return int(found.partition(b"\r\n")[0]) if found else None

    async def _chunks(self) -> AsyncIterator[bytes]:
        while part := await self._chunk():
            yield part

    async def _chunk(self) -> bytes:
        await self._until(lambda: b"\r\n" in self._buffer)
        end = self._buffer.index(b"\r\n")
        size = int(self._buffer[:end], 16)
        await self._until(lambda: len(self._buffer) >= end + size + 4)
        part = bytes(self._buffer[end + 2 : end + 2 + size])
        del self._buffer[: end + size + 4]
        return part

    async def _until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            if self._is_over:
                raise BenchmarkFailed("the service closed a connection before its answer was complete")
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Connection]:
    """Yield a connection to the service."""
    _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
    try:
        yield connection
    finally:
        connection.close()


async def ask_many(port: int, clients: int, seconds: float, requests: Iterator[bytes]) -> Asked:
    """Ask with so many clients at a time, each as soon as it has its answer, for so long."""
    times: list[float] = []
    began = time.perf_counter()

    async def client() -> None:
        async with connected(port) as connection:
            while (sent := time.perf_counter()) - began < seconds:
                await connection.ask(next(requests))
                times.append(time.perf_counter() - sent)

    await asyncio.gather(*(client() for _ in range(clients)))
    return Asked(times, len(times) / (time.perf_counter() - began))
