"""What goes wrong with a replay: tried again, or left to others, or the end of it; nothing is written twice."""

import asyncio
from collections.abc import Callable

import pytest
from aiokafka.admin import NewPartitions
from aiokafka.errors import KafkaConnectionError

from db.replays import KeptReplay, find_replay
from schemas.instants import format_instant
from schemas.replays import ReplayState, Selection, selection_of
from tests.services.replaying import reference
from tests.services.replaying.meanwhile import asked_meanwhile
from tests.services.replaying.telling import log_of, records_of
from tests.support.installations import Installation
from tests.support.waiting import until
from workers.replaying import working
from workers.replaying.beginning import ReplayRequest, begin
from workers.replaying.refusal import ReplayFailed, ReplayTaken
from workers.replaying.tally import Progress
from workers.replaying.target import create_target, remove_target
from workers.replaying.working import Work
from workers.topics.cluster import administration, describe

_ACME = selection_of(organization="acme")


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "_RETRY_SECONDS", 0.0)


def _once(error: Exception, before: Callable[[], object] = lambda: None) -> Callable[[Progress], None]:
    """Return what raises an error once, when it is told of records that are written."""
    left = [error]

    def told(progress: Progress) -> None:
        if progress.records and left:
            before()
            raise left.pop()

    return told


def _work(
    told: Installation, name: str, hears: Callable[[Progress], None] = lambda _: None, *, stopping: bool = False
) -> Work:
    event = asyncio.Event()

    def stop_soon(progress: Progress) -> None:
        if progress.records:
            event.set()

    return Work(told.engine, told.settings, name, event, stop_soon if stopping else hears)


async def _kept(told: Installation, name: str) -> KeptReplay:
    async with told.engine.connect() as connection:
        found = await find_replay(connection, name)
    assert found is not None
    return found


async def test_what_may_succeed_later_is_tried_again(told: Installation) -> None:
    replay = await begin(told.engine, told.settings, ReplayRequest("tried-again", _ACME, partitions=2))
    hears = _once(KafkaConnectionError("away"))
    assert await _work(told, "tried-again", hears).run() is ReplayState.DONE
    wanted = reference.expected(await log_of(told), 2, until=format_instant(replay.until), organization="acme")
    found = await records_of(told, replay.target)
    assert [[one.value for one in records[:-1]] for records in found] == [
        [row.value for row in rows] for rows in wanted
    ]
    assert [len(records) for records in found] == [len(rows) + 1 for rows in wanted]


async def test_one_that_is_stopped_before_its_end_has_none(told: Installation) -> None:
    """All was read, and nothing is written yet."""
    replay = await begin(told.engine, told.settings, ReplayRequest("stopped", _ACME, partitions=1))
    stop = "UPDATE replays SET state = 'Stopped' WHERE name = 'stopped' AND state = 'Running'"

    heard: list[Progress] = []

    def stop_soon(progress: Progress) -> None:
        heard.append(progress)
        if len(heard) == 2:
            asked_meanwhile(told.engine, stop)

    assert await _work(told, "stopped", stop_soon).run() is ReplayState.STOPPED
    assert await records_of(told, replay.target) == [[]]


async def test_what_nobody_expected_ends_the_work(told: Installation) -> None:
    await begin(told.engine, told.settings, ReplayRequest("unexpected", _ACME, partitions=1))
    with pytest.raises(RuntimeError, match="a fault"):
        await _work(told, "unexpected", _once(RuntimeError("a fault"))).run()
    kept = await _kept(told, "unexpected")
    assert (kept.state, kept.owner, kept.is_leased) == (ReplayState.RUNNING, None, False)


async def test_one_whose_lease_another_has_taken_ends(told: Installation) -> None:
    await begin(told.engine, told.settings, ReplayRequest("taken", _ACME, partitions=1))
    taken = "UPDATE replays SET owner = 'another' WHERE name = 'taken'"
    work = _work(told, "taken", _once(KafkaConnectionError("away"), lambda: asked_meanwhile(told.engine, taken)))
    with pytest.raises(ReplayTaken, match="took the replay taken over: this one was fenced, and ends"):
        await work.run()
    assert work.has_begun
    assert (await _kept(told, "taken")).owner == "another"


async def test_a_topic_that_is_not_the_one_it_began_with(told: Installation) -> None:
    asked, topic = ReplayRequest("moved", Selection(), partitions=2, rate=40), f"{told.prefix}replay.moved"

    async def has_partitions(count: int) -> bool:
        async with administration(told.settings) as client:
            found = (await describe(client, [topic])).topics.get(topic)
        return (found.partitions if found else 0) == count

    async def fails() -> None:
        await begin(told.engine, told.settings, asked)
        with pytest.raises(ReplayFailed, match="is not the topic that the replay moved began with"):
            await _work(told, "moved").run()
        kept = await _kept(told, "moved")
        assert (kept.state, str(kept.trouble)[: len(topic)]) == (ReplayState.FAILED, topic)

    await begin(told.engine, told.settings, asked)
    assert await _work(told, "moved", stopping=True).run() is ReplayState.RUNNING
    async with administration(told.settings) as client:
        await client.create_partitions({topic: NewPartitions(3)})
    await until(lambda: has_partitions(3), "the third partition")
    await fails()
    await remove_target(told.settings, topic)
    await until(lambda: has_partitions(0), "the end of the topic")
    await fails()
    assert await has_partitions(0), "it is not created again"
    await create_target(told.settings, topic, 2, ("bindings",))
    await fails()


async def test_a_name_that_no_topic_can_have_fails_the_replay(told: Installation) -> None:
    """Kafka takes dots for underscores where it names metrics, and refuses what would be the same."""
    await create_target(told.settings, f"{told.prefix}the.side", 1, ("bindings",))
    asked = ReplayRequest("collides", _ACME, f"{told.prefix}the_side", 1)
    await begin(told.engine, told.settings, asked)
    with pytest.raises(ReplayFailed, match="the_side cannot be the name of a topic: "):
        await _work(told, "collides").run()
    kept = await _kept(told, "collides")
    assert kept.state is ReplayState.FAILED
    assert "cannot be the name of a topic" in str(kept.trouble)
