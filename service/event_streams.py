"""An organization's events as Server-Sent Events, sent within moments of their commit.

A stream holds only a position in the log: no database connection, and no events except the few being sent. It may end
at any time; the client resumes it after the last event that arrived.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass

import orjson
import structlog
from starlette.types import Receive, Scope, Send

from db.following import FollowedEvent
from service.answers import OF_QUESTIONS, headers_of_snapshot, until_disconnected
from service.asker import seconds_left
from service.questions import Asked
from service.snapshots import Snapshot
from service.tails import EventsGone, Follower

_SILENT_SECONDS = 10.0
"""The longest silence: after it, a comment is sent as a keep-alive."""
_COMMENT = b":\n\n"
_MEDIA = b"text/event-stream"

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class EventStream:
    """The events of an organization, of some types, after a position; `snapshot` is the one at the stream's start."""

    asked: Asked
    snapshot: Snapshot
    position: int
    types: frozenset[str]

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the client disconnects, the token expires, or the server stops."""
        state, found = self.asked.state, self.snapshot
        await send({"type": "http.response.start", "status": 200, "headers": self._headers()})
        following = state.tails.following(self.asked.organization, found.shard, self.position, found.position)
        async with following as follower:
            leaving = asyncio.create_task(_wake_when_disconnected(receive, follower))
            try:
                with suppress(EventsGone):
                    await self._send_events(follower, leaving, send)
            except Exception as error:  # noqa: BLE001 (the client resumes the stream; the new answer says why)
                logger.info("stream_ended", request_id=self.asked.request_id, error=type(error).__name__)
            finally:
                leaving.cancel()
                with suppress(asyncio.CancelledError):
                    await leaving
        await send({"type": "http.response.body", "body": b""})

    async def _send_events(self, follower: Follower, leaving: "asyncio.Task[None]", send: Send) -> None:
        chunk, sent = _COMMENT, 0.0
        while not leaving.done() and not self.asked.state.stopping.is_set() and seconds_left(self.asked.asker) > 0:
            if chunk:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                sent = time.monotonic()
            silent = time.monotonic() - sent
            longest = max(0.0, min(_SILENT_SECONDS - silent, seconds_left(self.asked.asker)))
            chunk = b"".join(map(self._message, await follower.next(longest)))
            if not chunk and time.monotonic() - sent >= _SILENT_SECONDS:
                chunk = _COMMENT

    def _message(self, event: FollowedEvent) -> bytes:
        if event.type not in self.types or not self._is_seen(event):
            return b""
        shard = self.asked.state.ranges.shard_at(self.asked.organization, event.position)
        # An event is one line of JSON.
        return b"id: %d-%d\ndata: %b\n\n" % (shard, event.position, event.value)

    def _is_seen(self, event: FollowedEvent) -> bool:
        reach = self.asked.reach
        if reach.is_everything:
            return True
        data = orjson.loads(event.value)["data"]
        sides = (data.get(side) for side in ("current", "previous"))
        return reach.sees(data.get("project"), data.get("account"), *(side["account"] for side in sides if side))

    def _headers(self) -> list[tuple[bytes, bytes]]:
        return [
            *OF_QUESTIONS,
            *headers_of_snapshot(self.snapshot),
            (b"x-request-id", self.asked.request_id.encode()),
            (b"content-type", _MEDIA),
            # Proxies such as nginx must not buffer the stream.
            (b"x-accel-buffering", b"no"),
        ]


async def _wake_when_disconnected(receive: Receive, follower: Follower) -> None:
    """Wait until the client disconnects, then wake the follower."""
    await until_disconnected(receive)
    follower.wake()
