"""The processes of whopays under test: two of each kind, restarted whenever one ends, as by a service manager."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random

import psutil

from tests.support.installations import Installation, Worker
from workers.runtime.roles import Role

KINDS: dict[str, tuple[Role, ...]] = {
    "consumers": (Role.PROJECTS, Role.PAYMENT_PROFILES, Role.ADMIN_COMMANDS),
    "timers and relay": (Role.TIMERS, Role.RELAY),
}
_OF_EACH = 2
_AGAIN_SECONDS = 1.0


class Crew:
    """Keeps processes running."""

    def __init__(self, installation: Installation, environment: dict[str, str]) -> None:
        self._installation = installation
        self._environment = environment
        self._places: dict[tuple[str, int], Worker] = {}
        self.restarts = 0

    def all(self) -> list[Worker]:
        """Return all processes that run."""
        return [worker for worker in self._places.values() if worker.process.returncode is None]

    def any(self, chance: Random) -> Worker:
        """Return one of them."""
        return chance.choice(self.all())

    def memory(self) -> dict[str, int]:
        """Return the bytes that the largest process of each kind has in memory."""
        largest = dict.fromkeys(KINDS, 0)
        for (kind, _), worker in self._places.items():
            with contextlib.suppress(psutil.NoSuchProcess):
                largest[kind] = max(largest[kind], psutil.Process(worker.process.pid).memory_info().rss)
        return largest

    async def another(self, roles: Sequence[Role], module: str = "cli", **more: str) -> Worker:
        """Launch one more process, which nobody restarts."""
        return await self._installation.launch(*roles, module=module, **{**self._environment, **more})

    async def keep(self) -> None:
        """Keep starting what is not running, until cancelled."""
        while True:
            for kind, roles in KINDS.items():
                for place in range(_OF_EACH):
                    worker = self._places.get((kind, place))
                    if worker is not None and worker.process.returncode is None:
                        continue
                    self.restarts += worker is not None
                    self._places[kind, place] = await self.another(roles)
            await asyncio.sleep(_AGAIN_SECONDS)


@asynccontextmanager
async def manned(installation: Installation, environment: dict[str, str]) -> AsyncIterator[Crew]:
    """Keep processes of each kind running for the length of a block."""
    crew = Crew(installation, environment)
    keeping = asyncio.create_task(crew.keep())
    try:
        yield crew
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
