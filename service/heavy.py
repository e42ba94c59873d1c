"""Limits how many requests that keep the database and the processor busy are answered at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from service.problems import Problem

_PATIENCE_SECONDS = 2.0


class Heavy:
    """Admits up to `most` heavy requests at a time; others wait briefly, and are then refused."""

    def __init__(self, most: int) -> None:
        self._places = asyncio.Semaphore(most)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Hold one of the places. Raises Problem `TooManyRequests`."""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            raise Problem(
                "TooManyRequests", "Too many large requests are being answered.", headers={"Retry-After": "2"}
            ) from None
        try:
            yield
        finally:
            self._places.release()
