"""Who waits for a commit is woken by it, also after the connection broke, and where nothing notifies."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.published import note_published
from service.waking import Waking
from tests.services.http.committing import commit
from tests.support.waiting import patience


@asynccontextmanager
async def _waking(engine: AsyncEngine) -> AsyncIterator[Waking]:
    waking = Waking(engine)
    running = asyncio.create_task(waking.run())
    try:
        yield waking
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_a_commit_wakes(engine: AsyncEngine) -> None:
    async with _waking(engine) as waking:
        shard, position, _ = await commit(engine, "acme", "web")
        assert await waking.until_known({shard: position}, {}, patience(10))
        waiting = asyncio.create_task(waking.until_known({shard: position + 2}, {}, patience(30)))
        await commit(engine, "acme", "web")
        assert not await waking.until_known({shard: position + 2}, {}, 0.05), "the second is still to come"
        await commit(engine, "acme", "web")
        assert await waiting
        assert waking.positions[shard] == position + 2
        # Nobody waits any more: nothing is read, until the last of those who watch has gone.
        assert not waking._is_watched.is_set()
        async with waking.watching(closed=True):
            async with waking.watching(closed=True):
                assert waking._is_watched.is_set()
            assert (waking._is_watched.is_set(), waking._watchers_of_closed) == (True, 1)
        assert (waking._is_watched.is_set(), waking._watchers_of_closed) == (False, 0)


async def test_what_is_known_already_and_whatever_once_the_server_stops_is_not_waited_for(engine: AsyncEngine) -> None:
    waking = Waking(engine)
    assert await waking.until_known({}, {}, 0.0)
    assert not await waking.until_known({3: 1}, {}, 0.01), "nobody looks"
    waiting = asyncio.create_task(waking.until_known({3: 1}, {}, patience(300)))
    await asyncio.sleep(0)
    waking.end()
    async with asyncio.timeout(patience(10)):
        assert not await waiting
        assert not await waking.until_known({3: 1}, {}, patience(300))


async def test_closed_instants_are_waited_for(engine: AsyncEngine) -> None:
    async with _waking(engine) as waking:
        shard, position, instant = await commit(engine, "acme", "web")
        waiting = asyncio.create_task(waking.until_known({}, {shard: instant}, patience(30)))
        assert await waking.until_known({}, {shard: instant - timedelta(microseconds=1)}, patience(30))
        assert not waiting.done(), "what is not published may still get an event of that instant"
        async with engine.begin() as connection:
            await note_published(connection, {shard: position})
        assert await waiting


async def test_a_broken_connection_is_replaced(engine: AsyncEngine) -> None:
    async with _waking(engine) as waking:
        shard, position, _ = await commit(engine, "acme", "web")
        assert await waking.until_known({shard: position}, {}, patience(10))
        async with engine.begin() as connection:
            await connection.execute(text(_END_OTHERS))
        await commit(engine, "acme", "web")
        assert await waking.until_known({shard: position + 1}, {}, patience(30))


async def test_without_notifications_it_looks(engine: AsyncEngine) -> None:
    async with _waking(engine) as waking:
        shard, position, _ = await commit(engine, "acme", "web")
        assert await waking.until_known({shard: position}, {}, patience(10))
        async with engine.begin() as connection:
            # As a replica, and a pool of sessions that drops what is listened to: the commit notifies nobody.
            await connection.execute(
                text("UPDATE shards SET position = position + 1 WHERE shard = :shard"), {"shard": shard}
            )
        assert await waking.until_known({shard: position + 1}, {}, patience(30))


_END_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
