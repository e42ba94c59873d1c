"""The body of a request, part by part: up to a size, and no longer than parts of it come."""

import asyncio
from typing import Any, cast

import pytest
from starlette.types import Message

from service import bodies
from service.bodies import parts_of_body
from service.problems import Problem
from service.questions import Asked
from service.state import State

_LARGEST = 10


async def _read(*parts: bytes | None, length: bytes | None = None) -> list[bytes]:
    """Return the parts of a body that were yielded; after None nothing comes any more."""
    messages: list[Message] = [
        {"type": "http.request", "body": part, **({"more_body": True} if at < len(parts) else {})}
        for at, part in enumerate(parts, 1)
    ]

    async def receive() -> Message:
        if not messages:
            return {"type": "http.disconnect"}
        message = messages.pop(0)
        if message["body"] is None:
            await asyncio.Event().wait()
        return message

    headers = [] if length is None else [(b"content-length", length)]
    asked = Asked(cast(State, None), {"type": "http", "headers": headers}, receive, "r1")
    return [part async for part in parts_of_body(asked, receive, _LARGEST)]


@pytest.mark.parametrize("length", (None, b"10", b"7", b"x", b"-11"))
async def test_what_is_not_too_large_is_read(length: bytes | None) -> None:
    assert await _read(b"a" * 4, b"", b"b" * 6, length=length) == [b"a" * 4, b"b" * 6]
    assert await _read(b"", length=length) == []


async def test_what_is_too_large_is_refused_as_soon_as_that_is_known() -> None:
    for parts, length in (((b"a" * 4, b"b" * 7), None), ((b"a" * 11,), b"10"), ((None,), b"11")):
        with pytest.raises(Problem, match="BodyTooLarge: A body has at most 10 bytes here"):
            await _read(*parts, length=length)


async def test_a_body_that_ends_early_or_stalls_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async def cut_off() -> Any:
        return {"type": "http.disconnect"}

    asked: Any = Asked(cast(State, None), {"type": "http", "headers": []}, cut_off, "r1")
    with pytest.raises(Problem, match="InvalidBody: The body was cut off"):
        [part async for part in parts_of_body(asked, cut_off, _LARGEST)]
    monkeypatch.setattr(bodies, "_PART_SECONDS", 0.0)
    with pytest.raises(Problem, match="InvalidBody: Nothing more of the body came for 0 seconds"):
        await _read(None)
