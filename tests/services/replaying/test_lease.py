"""One process at a time works on a replay: what the lease lets it do, and when it has to end."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import create_engine
from db.replays import KeptReplay, find_replay, note_replay, stop_replay
from schemas.replays import ReplayState
from tests.services.db.test_replays import _replay
from workers.replaying.lease import Halted, Lease
from workers.replaying.refusal import ReplayTaken
from workers.runtime.settings import Settings


async def _kept(engine: AsyncEngine) -> KeptReplay:
    async with engine.connect() as connection:
        found = await find_replay(connection, "one")
    assert found is not None
    return found


async def test_one_at_a_time_has_it_until_it_is_stopped(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await note_replay(connection, _replay("one"))
    first, second = (Lease(engine, Settings(), "one", None) for _ in range(2))
    await first.take()
    assert (first.was_held, first.rate) == (True, 7)
    with pytest.raises(ReplayTaken, match="Another process works on the replay one"):
        await second.take()
    assert not second.was_held
    await first.renew(5, 6)
    await second.fail("of others")
    await second.give_up()
    kept = await _kept(engine)
    assert (kept.state, kept.is_leased, kept.records, kept.looked_at) == (ReplayState.RUNNING, True, 5, 6)
    assert [await one.is_held() for one in (first, second)] == [True, False]
    await first.give_up()
    await second.take()
    with pytest.raises(ReplayTaken, match="Another process took the replay one over"):
        await first.renew(9, 9)
    assert [await one.is_held() for one in (first, second)] == [False, True]
    async with engine.begin() as connection:
        await stop_replay(connection, "one")
    with pytest.raises(Halted) as halted:
        await second.renew(7, 8)
    assert (halted.value.state, (await _kept(engine)).records) == (ReplayState.STOPPED, 7)
    await second.fail("full")
    with pytest.raises(Halted) as halted:
        await second.take()
    assert (halted.value.state, (await _kept(engine)).trouble) == (ReplayState.FAILED, "full")


async def test_it_is_held_where_that_cannot_be_asked(engine: AsyncEngine) -> None:
    """A process that was fenced knows by Kafka: the database is asked only why."""
    away = create_engine("postgresql://nobody@127.0.0.1:1/none", pool_size=1)
    assert await Lease(away, Settings(), "one", None).is_held() is True
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE replays RENAME TO gone"))
    lease = Lease(engine, Settings(), "one", None)
    with pytest.raises(ProgrammingError):
        await lease.is_held()
    await lease.give_up()
