"""A `read_committed` consumer of the published events that remembers what it has read."""

import asyncio
from contextlib import aclosing
from typing import Any

from cli.asking.tail import events, order
from schemas.message_types import short_type
from schemas.topics import OUTPUT_TOPICS
from workers.runtime.settings import Settings

_PATIENCE_SECONDS = 60.0


class Audience:
    """Reads all output topics from their beginning while `listen` runs."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._heard: list[dict[str, Any]] = []
        self._news = asyncio.Condition()

    @property
    def heard(self) -> list[dict[str, Any]]:
        """Every event so far, in the order they happened."""
        return sorted(self._heard, key=order)

    async def listen(self) -> None:
        """Read events until cancelled."""
        async with aclosing(events(self._settings, OUTPUT_TOPICS, from_beginning=True)) as published:
            async for event in published:
                async with self._news:
                    self._heard.append(event)
                    self._news.notify_all()

    async def hear(self, cause: str, count: int) -> list[dict[str, Any]]:
        """Wait for the `count` events that a message caused, and return them without its result."""

        def caused() -> list[dict[str, Any]]:
            return [event for event in self.heard if event.get("causationid") == cause and not _is_result(event)]

        async with asyncio.timeout(_PATIENCE_SECONDS), self._news:
            await self._news.wait_for(lambda: len(caused()) >= count)
        return caused()


def _is_result(event: dict[str, Any]) -> bool:
    return short_type(event["type"]) == "CommandCompleted"
