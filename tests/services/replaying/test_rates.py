"""How much of a replay goes out at once, its rate over a quarter of a second; what is counted; what it keeps open."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import text

from db.archive.reading import History
from db.replays import KeptReplay, find_replay
from schemas.instants import format_instant
from schemas.message_types import type_of
from schemas.replays import ReplayState, Selection, selection_of
from tests.services.replaying import reference
from tests.services.replaying.meanwhile import left_open
from tests.services.replaying.telling import log_of
from tests.support.installations import Installation
from workers.replaying import lease, reading, snapshot, working
from workers.replaying.beginning import ReplayRequest, begin, plan
from workers.replaying.rehearsing import dry_run
from workers.replaying.role import counted_by
from workers.replaying.tally import Progress
from workers.replaying.working import Work
from workers.runtime.metrics import Metrics

_FEW: dict[str, Any] = {"organization": "initech", "project": "web", "types": ["BindingChanged"]}
_READS_THE_LOG = "AS looked_at"


async def _kept(told: Installation, name: str) -> KeptReplay:
    async with told.engine.connect() as connection:
        found = await find_replay(connection, name)
    assert found is not None
    return found


def _steps(heard: list[Progress]) -> list[int]:
    """Return how many records came at once, time after time."""
    written = [0, *(shown.records for shown in heard)]
    return [later - before for before, later in pairwise(written) if later > before]


@pytest.mark.parametrize(
    ("rate", "usual", "most", "said"),
    ((None, 100, 25, {}), (60, None, 15, {}), (60, 100_000, 15, {}), (100_000, 4, None, {}), (7, None, 1, _FEW)),
)
async def test_a_rate_goes_before_the_usual_one(
    told: Installation, rate: int | None, usual: int | None, most: int | None, said: dict[str, Any]
) -> None:
    name = f"rate-{rate}-{usual}".lower()
    await begin(told.engine, told.settings, ReplayRequest(name, selection_of(**said), partitions=1, rate=rate))
    heard: list[Progress] = []

    def hear(progress: Progress) -> None:
        heard.append(progress)
        assert not left_open(told.engine, _READS_THE_LOG), "what is read holds up nobody, for however long"

    work = Work(told.engine, told.settings, name, asyncio.Event(), hear, usual_rate=usual)
    assert await work.run() is ReplayState.DONE
    written = [0, *(shown.records for shown in heard)]
    assert max(_steps(heard)) == (most or written[-1])
    # What is read ahead is no progress: all is done with when all is written, and not before.
    assert heard[-1].looked_at == heard[-1].to_look_at
    assert all(shown.to_look_at - shown.looked_at >= written[-1] - shown.records for shown in heard)


async def test_what_is_large_goes_out_in_several_transactions(
    told: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay = await begin(told.engine, told.settings, ReplayRequest("large", selection_of(**_FEW), partitions=1))
    (rows,) = reference.expected(await log_of(told), 1, until=format_instant(replay.until), **_FEW)
    monkeypatch.setattr(working, "_TRANSACTION_BYTES", len(rows[0].value) + len(rows[1].value))
    heard: list[Progress] = []
    assert await Work(told.engine, told.settings, "large", asyncio.Event(), heard.append).run() is ReplayState.DONE
    assert (_steps(heard)[0], sum(_steps(heard))) == (2, len(rows))


async def test_a_dry_run_tells_how_far_it_is(told: Installation) -> None:
    heard: list[Progress] = []

    def hear(progress: Progress) -> None:
        heard.append(progress)
        assert not left_open(told.engine, _READS_THE_LOG)

    planned = await plan(told.engine, told.settings, ReplayRequest("dry", Selection()))
    manifest = await dry_run(told.engine, told.settings, planned, hear)
    assert heard[-1] == Progress(manifest.records, planned.to_look_at, planned.to_look_at)


async def test_each_event_is_counted_once_also_of_a_replay_that_goes_on(told: Installation) -> None:
    await begin(told.engine, told.settings, ReplayRequest("counted", Selection(), partitions=1, rate=40))
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
    assert before == 2 * 10, "of what was packed all is written"
    assert (await _kept(told, "counted")).owner is None
    shown: list[int] = []
    count = counted_by(metrics)

    def see(progress: Progress) -> None:
        count(progress)
        shown.append(progress.records)

    assert await Work(told.engine, told.settings, "counted", asyncio.Event(), see).run() is ReplayState.DONE
    assert 0 < before < counted() == shown[-1]


@pytest.mark.parametrize(
    "selection", (Selection(latest=True), Selection(organization="acme", type=(type_of("AccountPhaseChanged"),)))
)
async def test_a_lease_is_renewed_while_nothing_is_found(
    told: Installation, monkeypatch: pytest.MonkeyPatch, selection: Selection
) -> None:
    """While a snapshot is searched for what is last, and where most of what is read is not selected."""
    monkeypatch.setattr(lease, "_RENEW_SECONDS", 0.0)
    for limit in ("_FEWEST_OF_SHARD", "_MOST_OF_SHARD"):
        monkeypatch.setattr(reading, limit, 1)
    monkeypatch.setattr(snapshot, "_AT_ONCE", 1)
    name = f"leased-{len(selection.topics)}"
    renewed: list[bool] = []

    def watched(read: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def read_watched(*given: Any) -> Any:
            async with told.engine.begin() as connection:
                renewed.append((await connection.execute(_IS_RENEWED, {"name": name})).scalar_one())
                # Longer than a lease lasts, so that a renewal shows, and nobody else takes it meanwhile.
                await connection.execute(_LENGTHEN, {"name": name})
            return await read(*given)

        return read_watched

    for read in ("subjects_after", "rows_after"):
        monkeypatch.setattr(History, read, watched(getattr(History, read)))
    await begin(told.engine, told.settings, ReplayRequest(name, selection, partitions=1))
    heard: list[Progress] = []
    assert await Work(told.engine, told.settings, name, asyncio.Event(), heard.append).run() is ReplayState.DONE
    assert len(renewed) > 10
    assert all(renewed)
    assert len(heard) > 10, "and it is told how far it is"


async def test_a_process_that_is_to_end_searches_no_further(
    told: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping, subjects_after, pages = asyncio.Event(), History.subjects_after, 0

    async def stop(*given: Any) -> Any:
        nonlocal pages
        pages += 1
        stopping.set()
        return await subjects_after(*given)

    monkeypatch.setattr(History, "subjects_after", stop)
    await begin(told.engine, told.settings, ReplayRequest("ended", Selection(latest=True), partitions=1))
    assert await Work(told.engine, told.settings, "ended", stopping).run() is ReplayState.RUNNING
    assert pages == 1


_IS_RENEWED = text("SELECT expires_at < clock_timestamp() + interval '10 minutes' FROM replays WHERE name = :name")
_LENGTHEN = text("UPDATE replays SET expires_at = clock_timestamp() + interval '30 minutes' WHERE name = :name")
