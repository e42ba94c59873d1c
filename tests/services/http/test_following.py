"""What was added to the log since positions, of several organizations at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.driver import driver
from db.following import Followed, events_since, first_kept_position
from db.placing import shard_of
from db.reading import reading_pool
from db.shard_ranges import shard_ranges
from service.state import running
from service.tails import EventsGone, Tails
from service.waking import Waking
from tests.services.http.committing import SHARDS, commit
from tests.support.waiting import patience

_BYTES = 1024 * 1024
_SHARD = shard_of("acme", SHARDS)
_NEIGHBOUR = next(name for name in (f"n{i}" for i in range(10_000)) if shard_of(name, SHARDS) == _SHARD)
_QUIET = next(name for name in (f"q{i}" for i in range(10_000)) if shard_of(name, SHARDS) == _SHARD)


async def _since(
    engine: AsyncEngine, since: dict[str, int], limit: int = 100, byte_limit: int = _BYTES
) -> dict[str, Followed]:
    asked = {organization: (shard_of(organization, SHARDS), position) for organization, position in since.items()}
    async with engine.connect() as connection:
        return await events_since(await driver(connection), asked, limit, byte_limit)


def _positions(found: Followed) -> list[int]:
    return [event.position for event in found.events]


async def test_only_an_organizations_own_events_up_to_the_head_of_its_shard(engine: AsyncEngine) -> None:
    await commit(engine, "acme", "a", "b")
    await commit(engine, _NEIGHBOUR, "c")
    await commit(engine, "acme", "d")
    await commit(engine, _NEIGHBOUR, "e")
    found = await _since(engine, {"acme": 0, _NEIGHBOUR: 3, _QUIET: 2})
    assert _positions(found["acme"]) == [1, 2, 4]
    assert found["acme"].events[0].type == "io.milo.billing.ProjectBillingNotice.v1"
    assert b'"acme/a"' in found["acme"].events[0].value
    assert _positions(found[_NEIGHBOUR]) == [5]
    assert _positions(found[_QUIET]) == []
    assert {one.reached for one in found.values()} == {5}


async def test_a_page_that_is_full_reaches_its_last_event(engine: AsyncEngine) -> None:
    await commit(engine, "acme", "a", "b", "c")
    await commit(engine, _NEIGHBOUR, "d")
    pages = {limit: (await _since(engine, {"acme": 0}, limit=limit))["acme"] for limit in (2, 3, 4)}
    assert {limit: (_positions(page), page.reached) for limit, page in pages.items()} == {
        2: ([1, 2], 2),
        3: ([1, 2, 3], 3),
        4: ([1, 2, 3], 4),
    }
    size = len(pages[4].events[0].value)
    by_bytes = (await _since(engine, {"acme": 0}, byte_limit=size + 1))["acme"]
    assert (_positions(by_bytes), by_bytes.reached) == ([1, 2], 2)
    by_bytes = (await _since(engine, {"acme": 0}, byte_limit=size))["acme"]
    assert (_positions(by_bytes), by_bytes.reached) == ([1], 1), "they have as many bytes"
    one = (await _since(engine, {"acme": 2}, byte_limit=1))["acme"]
    assert (_positions(one), one.reached) == ([3], 4), "the last one, however large, is the last one"


async def test_what_is_kept_begins_somewhere(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        assert await first_kept_position(await driver(connection), [_SHARD]) == 1
    await commit(engine, "acme", "a", "b")
    async with engine.connect() as connection:
        assert await first_kept_position(await driver(connection), [_SHARD]) == 1


async def test_what_is_kept_of_all_ends_is_bounded_and_what_is_older_is_read(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.tails._KEPT_BYTES", 1)
    async with AsyncExitStack() as stack:
        tails = await stack.enter_async_context(_following(engine))
        follower = await stack.enter_async_context(tails.following("acme", _SHARD, 0, 0))
        seen: list[int] = []
        async with asyncio.timeout(patience(30)):
            for number in range(1, 4):
                await commit(engine, "acme", "a", "b")
                while len(seen) < 2 * number:
                    seen += [event.position for event in await follower.next(patience(30))]
    assert seen == [1, 2, 3, 4, 5, 6]


async def test_whoever_is_behind_what_is_kept_is_told_so(engine: AsyncEngine) -> None:
    _, head, _ = await commit(engine, "acme", "a", "b", "c", "d")
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM log WHERE position <= 2"))
    async with _following(engine) as tails:
        for position, kept in ((1, None), (2, [3, 4]), (3, [4])):
            async with tails.following("acme", _SHARD, position, head) as follower:
                if kept is None:
                    with pytest.raises(EventsGone, match=f"{_SHARD}-{position}"):
                        await follower.next(patience(30))
                else:
                    assert [event.position for event in await follower.next(patience(30))] == kept


@asynccontextmanager
async def _following(engine: AsyncEngine) -> AsyncIterator[Tails]:
    """Yield what follows the log of a database."""
    url = engine.url.render_as_string(hide_password=False)
    async with reading_pool(url, pool_size=2, statement_seconds=30) as pool:
        async with pool.acquire() as connection:
            ranges = await shard_ranges(connection)
        waking = Waking(engine)
        tails = Tails(pool, waking, ranges)
        async with running(waking.run(), tails.run()):
            yield tails
