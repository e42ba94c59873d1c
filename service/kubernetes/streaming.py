"""Streams that end when they are complete, when the client disconnects, or when the server stops."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from starlette.types import Receive, Scope, Send

from service.answers import OF_QUESTIONS, until_disconnected
from service.kubernetes.negotiation import JSON


@dataclass(frozen=True, slots=True)
class Stream:
    """A body in pieces; an endless one is cut off when the server stops, any other is finished first."""

    pieces: AsyncGenerator[bytes, None]
    is_endless: bool = False


async def send_stream(
    stream: Stream, scope: Scope, receive: Receive, send: Send, request_id: str, stopping: asyncio.Event
) -> None:
    """Send the pieces of a body as they come."""
    headers = [*OF_QUESTIONS, (b"content-type", JSON.encode()), (b"x-request-id", request_id.encode())]
    ending = stopping if stream.is_endless else asyncio.Event()
    async with aclosing(stream.pieces) as pieces:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["method"] != "HEAD":
            await _send_until(pieces, receive, send, ending)
    await send({"type": "http.response.body", "body": b""})


async def _send_until(pieces: AsyncGenerator[bytes, None], receive: Receive, send: Send, ending: asyncio.Event) -> None:
    tasks = [
        asyncio.create_task(_send_all(pieces, send)),
        asyncio.create_task(until_disconnected(receive)),
        asyncio.create_task(_until_set(ending)),
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks[1:]:
            task.cancel()
        if not tasks[0].done():
            tasks[0].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    if isinstance(results[0], Exception):
        raise results[0]


async def _send_all(pieces: AsyncGenerator[bytes, None], send: Send) -> None:
    async for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})


async def _until_set(event: asyncio.Event) -> None:
    await event.wait()
