"""A clock that times the steps of a unit of work, for both metrics and traces."""

import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from workers.runtime.metric import Step


class Lap(NamedTuple):
    """A finished step: when it began and ended, in seconds since the clock was started."""

    step: Step
    began: float
    ended: float


class StepClock:
    """Times steps from its creation on, at `started_at` in Unix time. A step may occur several times."""

    def __init__(self) -> None:
        self.started_at = time.time()
        self.laps: list[Lap] = []
        self._zero = time.perf_counter()
        self._taken = 0

    @property
    def elapsed(self) -> float:
        """Seconds since the clock was started."""
        return time.perf_counter() - self._zero

    @contextmanager
    def __call__(self, step: Step) -> Iterator[None]:
        """Time a step, whether it succeeds or not."""
        began = self.elapsed
        try:
            yield
        finally:
            self.laps.append(Lap(step, began, self.elapsed))

    @property
    def untaken(self) -> Sequence[Lap]:
        """The steps that ended since the last `take`."""
        return self.laps[self._taken :]

    def take(self) -> Mapping[Step, float]:
        """Return the seconds spent in each step since the last call, so that parts of divided work are counted once."""
        seconds: defaultdict[Step, float] = defaultdict(float)
        for step, began, ended in self.untaken:
            seconds[step] += ended - began
        self._taken = len(self.laps)
        return seconds


@asynccontextmanager
async def begun(engine: AsyncEngine, clock: StepClock) -> AsyncIterator[AsyncConnection]:
    """Yield a connection in a transaction like `engine.begin`, timing its start and its commit as steps."""
    async with AsyncExitStack() as stack:
        with clock(Step.CONNECT):
            connection = await stack.enter_async_context(engine.connect())
            await stack.enter_async_context(connection.begin())
        yield connection
        with clock(Step.COMMIT):
            await stack.aclose()
