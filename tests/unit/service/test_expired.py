"""An answer in lines ends with the token that asked for it, and says so (docs/contract.md section 12)."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import cast

import orjson
from starlette.types import Message

from schemas.askers import Asker, Verified
from service.lines import send_lines
from service.questions import Asked
from service.state import State


async def test_lines_end_with_the_token() -> None:
    sent: list[bytes] = []

    async def send(message: Message) -> None:
        sent.append(message.get("body", b""))

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError("nobody leaves")

    async def endless() -> AsyncGenerator[bytes]:
        yield b"{}\n"
        await asyncio.Event().wait()

    expires = datetime.now(UTC) + timedelta(milliseconds=50)
    asker = Verified(Asker("alice", "https://login.example", ()), expires)
    asked = Asked(cast(State, None), {"type": "http", "method": "GET"}, receive, "request", asker=asker)
    await send_lines(asked, endless(), receive, send)
    *_, line, last = sent
    assert line == b"{}\n"
    assert orjson.loads(last)["problem"]["type"] == "urn:whopays:problem:Unauthenticated"
