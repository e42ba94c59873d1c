"""Bodies in pieces end when they are done, when the client is gone, or when the server stops."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from service.answers import OF_QUESTIONS
from service.kubernetes.streaming import Stream, send_stream
from tests.support.waiting import patience


class _Client:
    """A client: what it was sent, and whether the pieces for it were let go."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.is_let_go = False
        self.has_begun, self.leaves, self.stopping = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._asked = [{"type": "http.request"}]

    async def pieces(self, *found: bytes, error: Exception | None = None, ends: bool = True) -> AsyncGenerator[bytes]:
        try:
            for piece in found:
                yield piece
            self.has_begun.set()
            if error is not None:
                raise error
            if not ends:
                await asyncio.Event().wait()
        finally:
            self.is_let_go = True

    async def take(self, stream: Stream, method: str = "GET") -> None:
        async with asyncio.timeout(patience(3)):
            await send_stream(stream, {"method": method}, self._receive, self._send, "r1", self.stopping)

    @property
    def bodies(self) -> list[tuple[bytes, bool]]:
        return [(one["body"], one.get("more_body", False)) for one in self.sent[1:]]

    async def _receive(self) -> Any:
        if self._asked:
            return self._asked.pop()
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.sent.append(message)


async def test_all_pieces_are_sent() -> None:
    client = _Client()
    await client.take(Stream(client.pieces(b"a", b"b")))
    headers = [*OF_QUESTIONS, (b"content-type", b"application/json"), (b"x-request-id", b"r1")]
    assert client.sent[0] == {"type": "http.response.start", "status": 200, "headers": headers}
    assert client.bodies == [(b"a", True), (b"b", True), (b"", False)]


async def test_head_has_no_pieces() -> None:
    client = _Client()
    await client.take(Stream(client.pieces(b"a")), "HEAD")
    assert (client.sent[0]["status"], client.bodies) == (200, [(b"", False)])


@pytest.mark.parametrize("is_endless", (False, True))
async def test_nothing_is_made_for_whoever_is_gone(is_endless: bool) -> None:
    client = _Client()
    taking = asyncio.create_task(client.take(Stream(client.pieces(b"a", ends=False), is_endless)))
    await client.has_begun.wait()
    client.leaves.set()
    await taking
    assert (client.bodies, client.is_let_go) == ([(b"a", True), (b"", False)], True)


async def test_where_the_server_stops_only_what_is_endless_ends() -> None:
    client = _Client()
    taking = asyncio.create_task(client.take(Stream(client.pieces(b"a", ends=False), is_endless=True)))
    await client.has_begun.wait()
    client.stopping.set()
    await taking
    assert client.is_let_go
    other = _Client()
    other.stopping.set()
    await other.take(Stream(other.pieces(b"a", b"b")))
    assert other.bodies == [(b"a", True), (b"b", True), (b"", False)]


async def test_a_body_that_fails_is_not_ended() -> None:
    client = _Client()
    with pytest.raises(LookupError):
        await client.take(Stream(client.pieces(b"a", error=LookupError())))
    assert (client.bodies, client.is_let_go) == ([(b"a", True)], True)
