"""Answers of any length as lines of JSON (`application/x-ndjson`), sent at the pace at which the client reads.

The last line says that the answer is complete, or what went wrong; an answer without one was cut off.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any

import orjson
import structlog
from starlette.types import Receive, Send

from db.errors import is_transient
from service.answers import OF_QUESTIONS, headers_of_snapshot, until_disconnected
from service.asker import seconds_left, unauthenticated
from service.problems import Problem, unavailable
from service.questions import Asked
from service.snapshots import Snapshot

LINES = "application/x-ndjson"

_LONGEST_SECONDS = 600.0
"""The longest time that a snapshot is held."""
_LAST_LINE_SECONDS = 5.0

logger = structlog.get_logger()


async def send_lines(
    asked: Asked,
    chunks: AsyncGenerator[bytes],
    receive: Receive,
    send: Send,
    snapshot: Snapshot | None = None,
) -> None:
    """Send chunks of whole lines, including the last line; if they fail, send a last line with the problem."""
    await send({"type": "http.response.start", "status": 200, "headers": _headers(asked, snapshot)})
    if asked.scope["method"] == "HEAD":
        await send({"type": "http.response.body", "body": b""})
        return
    leaving = asyncio.create_task(until_disconnected(receive))
    last = b""
    try:
        async with asyncio.timeout(min(_LONGEST_SECONDS, seconds_left(asked.asker))), aclosing(chunks):
            async for chunk in chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                if leaving.done():
                    return
    except Exception as error:  # noqa: BLE001 (the last line reports it; an unexpected one is logged)
        last = problem_line(_problem(error, asked))
    finally:
        leaving.cancel()
        with suppress(asyncio.CancelledError):
            await leaving
    async with asyncio.timeout(_LAST_LINE_SECONDS):
        await send({"type": "http.response.body", "body": last})


def line(document: dict[str, Any]) -> bytes:
    """Return a document as a line of JSON."""
    return orjson.dumps(document) + b"\n"


def problem_line(problem: Problem) -> bytes:
    """Return the last line of an incomplete answer."""
    return line({"problem": problem.document()})


def _problem(error: Exception, asked: Asked) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, TimeoutError) and seconds_left(asked.asker) <= 0:
        return unauthenticated("the token expired before the answer was complete")
    if isinstance(error, TimeoutError) or is_transient(error):
        return unavailable("The database became unavailable, or the answer took too long.")
    logger.error("question_failed", request_id=asked.request_id, exc_info=error)
    return Problem("Internal", f"The service failed; its log says more about the request {asked.request_id}.")


def _headers(asked: Asked, snapshot: Snapshot | None) -> list[tuple[bytes, bytes]]:
    return [
        *OF_QUESTIONS,
        *headers_of_snapshot(snapshot),
        (b"x-request-id", asked.request_id.encode()),
        (b"content-type", LINES.encode()),
        (b"x-accel-buffering", b"no"),
    ]
