"""How much of a replay goes out at once, its rate over a quarter of a second; and how much is counted."""

import asyncio
from itertools import pairwise

import pytest

from schemas.replays import ReplayState, Selection
from tests.support.installations import Installation
from workers.replaying.beginning import Asked, begin
from workers.replaying.role import counted_by
from workers.replaying.tally import Progress
from workers.replaying.working import Work
from workers.runtime.metrics import Metrics


@pytest.mark.parametrize(
    ("rate", "usual", "most"), ((None, 100, 25), (60, None, 15), (60, 100_000, 15), (100_000, 4, None))
)
async def test_a_rate_goes_before_the_usual_one(
    told: Installation, rate: int | None, usual: int | None, most: int | None
) -> None:
    name = f"rate-{rate}-{usual}".lower()
    await begin(told.engine, told.settings, Asked(name, Selection(), partitions=1, rate=rate))
    heard: list[Progress] = []
    work = Work(told.engine, told.settings, name, asyncio.Event(), heard.append, usual_rate=usual)
    assert await work.run() is ReplayState.DONE
    written = [0, *(shown.records for shown in heard)]
    steps = {later - before for before, later in pairwise(written)} - {0}
    assert max(steps) == (most or written[-1])
    # What is read ahead is no progress: all is done with when all is written, and not before.
    assert heard[-1].looked_at == heard[-1].to_look_at
    assert all(shown.to_look_at - shown.looked_at >= written[-1] - shown.records for shown in heard)


async def test_each_event_is_counted_once_also_of_a_replay_that_goes_on(told: Installation) -> None:
    await begin(told.engine, told.settings, Asked("counted", Selection(), partitions=1, rate=40))
    metrics = Metrics()

    def counted() -> float:
        return metrics.registry.get_sample_value("whopays_events_replayed_total") or 0

    stopping, count = asyncio.Event(), counted_by(metrics)

    def stop_soon(progress: Progress) -> None:
        count(progress)
        if progress.records:
            stopping.set()

    assert await Work(told.engine, told.settings, "counted", stopping, stop_soon).run() is ReplayState.RUNNING
    before = counted()
    shown: list[int] = []
    count = counted_by(metrics)

    def see(progress: Progress) -> None:
        count(progress)
        shown.append(progress.records)

    assert await Work(told.engine, told.settings, "counted", asyncio.Event(), see).run() is ReplayState.DONE
    assert 0 < before < counted() == shown[-1]
