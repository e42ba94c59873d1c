"""All collected cases, a bounded number at a time; a test waits for the outcome of its own case."""

import asyncio
from typing import Self

from tests.acceptance.format import Case
from tests.acceptance.run_case import Services, run_case

_AT_ONCE = 48


class Runs:
    """The cases of a session, running in the background in their order while it is entered with `async with`."""

    def __init__(self, cases: list[Case], services: Services) -> None:
        self._cases = cases
        self._services = services
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._tasks: dict[str, asyncio.Task[str | None]] = {}

    async def __aenter__(self) -> Self:
        for case in self._cases:
            self._tasks[case.id] = asyncio.create_task(self._run(case), name=f"acceptance case {case.id}")
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks.values():
            task.cancel()
        # Each case reports through its own test; the outcome of one that no test waited for is dropped.
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def outcome(self, case: Case) -> str | None:
        """Return `None` if the case held, else a report."""
        return await self._tasks[case.id]

    async def all_ended(self) -> None:
        """Return when no case is running any more."""
        await asyncio.wait(self._tasks.values())

    async def _run(self, case: Case) -> str | None:
        async with self._places:
            return await run_case(case, self._services)
