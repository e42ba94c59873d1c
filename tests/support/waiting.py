"""Waiting for what a test expects, with a deadline; never for a fixed time."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Found = TypeVar("Found")

_BETWEEN_SECONDS, _LONGEST_SECONDS = 0.03, 0.25
_SHARE = 0.1
"""How much longer than needed one may wait at most, so as to look less often: most looks ask a server."""


def patience(seconds: float) -> float:
    """Return how long to wait for what takes so many seconds at most on a machine that does nothing else.

    A limit tells late from never, and a busy machine is late: the longer its queue for each processor, the longer the
    limit.
    """
    waiting = os.getloadavg()[0] / (os.cpu_count() or 1)
    return seconds * max(1.0, 2 * waiting)


async def until(look: Callable[[], Awaitable[Found | None]], what: str, seconds: float = 45) -> Found:
    """Look repeatedly until something (neither None nor False) is found, and return it.

    Raises AssertionError, naming `what` was waited for, when the seconds are over (`patience`).
    """
    began = time.monotonic()
    while True:
        found = await look()
        if found is not None and found is not False:
            return found
        waited = time.monotonic() - began
        if waited > patience(seconds):
            raise AssertionError(f"{what}: not within {waited:.0f} s")
        await asyncio.sleep(min(max(_BETWEEN_SECONDS, waited * _SHARE), _LONGEST_SECONDS))
