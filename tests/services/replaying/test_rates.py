"""How much of a replay goes out at once: its rate over a quarter of a second."""

import asyncio
from itertools import pairwise

import pytest

from schemas.replays import ReplayState, Selection
from tests.support.installations import Installation
from workers.replaying.beginning import Asked, begin
from workers.replaying.working import Work


@pytest.mark.parametrize(
    ("rate", "usual", "most"), ((None, 100, 25), (60, None, 15), (60, 100_000, 15), (100_000, 4, None))
)
async def test_a_rate_goes_before_the_usual_one(
    told: Installation, rate: int | None, usual: int | None, most: int | None
) -> None:
    name = f"rate-{rate}-{usual}".lower()
    await begin(told.engine, told.settings, Asked(name, Selection(), partitions=1, rate=rate))
    written = [0]
    work = Work(
        told.engine, told.settings, name, asyncio.Event(), lambda shown: written.append(shown.records), usual_rate=usual
    )
    assert await work.run() is ReplayState.DONE
    steps = {later - before for before, later in pairwise(written)} - {0}
    assert max(steps) == (most or written[-1])
