"""Answers questions that arrive at about the same time with one statement; a lone question is not delayed.

A round trip, a transaction and a connection cost more than the answer. While a statement is running, new questions
queue, and the next statement answers them all; each answer is of one snapshot, because a statement is.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

from db.reading import ReadingPool

Asked = TypeVar("Asked")
Found = TypeVar("Found")

_MOST_AT_ONCE = 200


class Gathering(Generic[Asked, Found]):
    """Batches questions for `statement`, which takes a connection and questions, and returns their answers in order."""

    def __init__(
        self,
        pool: ReadingPool,
        statement: Callable[[Any, Sequence[Asked]], Awaitable[Sequence[Found]]],
        *,
        lanes: int,
    ) -> None:
        self._pool = pool
        self._statement = statement
        self._lanes = lanes
        self._waiting: list[tuple[Asked, asyncio.Future[Found]]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way = 0

    async def ask(self, question: Asked) -> Found:
        """Return the answer to a question. Raises the errors of the driver."""
        answer: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answer))
        if self._under_way < self._lanes:
            self._under_way += 1
            task = asyncio.create_task(self._answer())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await answer

    async def _answer(self) -> None:
        """Answer until no question is waiting."""
        while self._waiting:
            gathered: list[tuple[Asked, asyncio.Future[Found]]] = []
            try:
                async with self._pool.acquire(wait_seconds=_ACQUIRE_SECONDS) as connection:
                    while self._waiting:
                        gathered, self._waiting = self._waiting[:_MOST_AT_ONCE], self._waiting[_MOST_AT_ONCE:]
                        found = await self._statement(connection, [question for question, _ in gathered])
                        for (_, answer), one in zip(gathered, found, strict=True):
                            if not answer.done():
                                answer.set_result(one)
                        gathered = []
            except Exception as error:  # noqa: BLE001 (raised again where each question waits)
                if not gathered:
                    gathered, self._waiting = self._waiting, []
                for _, answer in gathered:
                    if not answer.done():
                        answer.set_exception(error)
        # No await since the queue was seen empty, so no question is lost: the next one starts a new task.
        self._under_way -= 1


_ACQUIRE_SECONDS = 5.0
"""How long the queued questions wait for a connection."""
