"""What a stream of events sends: what is seen, a comment where nothing was sent for long, and nothing after its end."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from db.following import FollowedEvent
from domain.reach import Reach
from schemas.askers import Asker, Names, Verified
from service import event_streams
from service.event_streams import EventStream
from tests.unit.service.test_answers import _snapshot

_LATER = datetime.now(UTC) + timedelta(days=1)


def _event(position: int, type_: str = "a", **data: Any) -> FollowedEvent:
    return FollowedEvent(position, type_, json.dumps({"data": data}).encode())


class _Followed:
    """Somebody who follows: each time that is asked for more, this comes; at the end the client has gone."""

    def __init__(self, *found: Sequence[FollowedEvent]) -> None:
        self._found = list(found)
        self.leaving: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def next(self, seconds: float) -> Sequence[FollowedEvent]:
        assert 0 <= seconds <= event_streams._SILENT_SECONDS
        if len(self._found) == 1:
            self.leaving.set_result(None)
        return self._found.pop(0)


async def _sent(*found: Sequence[FollowedEvent], reach: Any = None, expires: datetime = _LATER) -> list[bytes]:
    ranges = SimpleNamespace(shard_at=lambda _, position: position // 100)
    state = SimpleNamespace(stopping=asyncio.Event(), ranges=ranges)
    asker = Verified(Asker("ada"), expires)
    everything = SimpleNamespace(is_everything=True)
    asked: Any = SimpleNamespace(state=state, organization="acme", reach=reach or everything, asker=asker)
    sent: list[bytes] = []

    async def send(message: Any) -> None:
        assert message["more_body"] is True
        sent.append(message["body"])

    followed: Any = _Followed(*found)
    await EventStream(asked, _snapshot(), 0, frozenset("a"))._send_events(followed, followed.leaving, send)
    return sent


async def test_what_is_committed_is_sent_and_nothing_where_nothing_is() -> None:
    events = [_event(7), _event(8, "b"), _event(109)]
    assert await _sent([], events, [], [_event(9, "b")], []) == [
        b":\n\n",
        b'id: 0-7\ndata: {"data": {}}\n\nid: 1-109\ndata: {"data": {}}\n\n',
    ]


async def test_a_comment_is_sent_where_nothing_was_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_streams, "_SILENT_SECONDS", 0.0)
    assert await _sent([], [], [_event(7)], []) == [b":\n\n"] * 3 + [b'id: 0-7\ndata: {"data": {}}\n\n']


async def test_nothing_is_sent_once_the_token_counts_no_longer() -> None:
    assert await _sent([_event(7)], expires=datetime.now(UTC) - timedelta(seconds=1)) == []


async def test_only_what_the_asker_sees_is_sent() -> None:
    reach = Reach(accounts=(Names(frozenset({"main"})),), projects=())
    sides: dict[str, Any] = {"current": {"account": "lab"}, "previous": {"account": "main"}}
    seen = [_event(1, account="main"), _event(2, **sides), _event(3, current=sides["previous"], previous=None)]
    unseen = [_event(4, account="lab"), _event(5, project="web"), _event(6, current=sides["current"], previous=None)]
    opening, sent = await _sent([], [*seen, *unseen], [], reach=reach)
    assert opening == b":\n\n"
    assert [line for line in sent.split(b"\n") if line.startswith(b"id")] == [b"id: 0-1", b"id: 0-2", b"id: 0-3"]
