"""The one clock by which the steps of a piece of work are timed, for metrics and traces alike."""

import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from workers.runtime.metric import Step


class Lap(NamedTuple):
    """A step that ended: when it began and ended, in seconds since the clock was started."""

    step: Step
    began: float
    ended: float


class StepClock:
    """Times steps from the moment it is made, at `started_at` in Unix time. A step may be taken several times."""

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
        """The steps that ended since `take` was last asked."""
        return self.laps[self._taken :]

    def take(self) -> Mapping[Step, float]:
        """Return the seconds spent in each step since this was last asked: work that is divided is counted once."""
        seconds: defaultdict[Step, float] = defaultdict(float)
        for step, began, ended in self.untaken:
            seconds[step] += ended - began
        self._taken = len(self.laps)
        return seconds


@asynccontextmanager
async def begun(engine: AsyncEngine, clock: StepClock) -> AsyncIterator[AsyncConnection]:
    """Yield a connection in a transaction as `engine.begin` does, with its beginning and its end timed as steps."""
    async with AsyncExitStack() as stack:
        with clock(Step.CONNECT):
            connection = await stack.enter_async_context(engine.connect())
            await stack.enter_async_context(connection.begin())
        yield connection
        with clock(Step.COMMIT):
            await stack.aclose()
