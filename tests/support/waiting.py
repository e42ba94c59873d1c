"""Waiting for what a test expects, with a deadline; never for a fixed time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Found = TypeVar("Found")

_BETWEEN_SECONDS = 0.03


async def until(look: Callable[[], Awaitable[Found | None]], what: str, seconds: float = 45) -> Found:
    """Look repeatedly until something (neither None nor False) is found, and return it.

    Raises AssertionError, naming `what` was waited for, when the seconds are over.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = await look()
        if found is not None and found is not False:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s")
        await asyncio.sleep(_BETWEEN_SECONDS)
