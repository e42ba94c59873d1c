"""The body of a request as a stream, limited in size and in time."""

import asyncio
from collections.abc import AsyncIterator

from starlette.types import Receive

from service.problems import Problem
from service.questions import Asked

_PART_SECONDS = 30.0
"""How long to wait for the next part of a body."""


async def parts_of_body(asked: Asked, receive: Receive, largest_bytes: int) -> AsyncIterator[bytes]:
    """Yield the parts of a body. Raises Problem (`BodyTooLarge`; `InvalidBody` if it ends early or stalls)."""
    too_large = Problem("BodyTooLarge", f"A body has at most {largest_bytes} bytes here.")
    declared = asked.header(b"content-length")
    if declared is not None and declared.isdecimal() and int(declared) > largest_bytes:
        raise too_large
    size, is_more = 0, True
    while is_more:
        try:
            async with asyncio.timeout(_PART_SECONDS):
                message = await receive()
        except TimeoutError:
            raise Problem("InvalidBody", f"Nothing more of the body came for {_PART_SECONDS:.0f} seconds.") from None
        if message["type"] == "http.disconnect":
            raise Problem("InvalidBody", "The body was cut off.")
        part, is_more = message.get("body", b""), message.get("more_body", False)
        size += len(part)
        if size > largest_bytes:
            raise too_large
        if part:
            yield part
