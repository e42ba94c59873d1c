"""Another number of shards: nothing that was said moves, what comes is above it, and nobody adds to what is closed."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.closing import closed_until
from db.leases import take_lease
from db.log import append, chain_rows, positions_left, row_at
from db.published import note_published, published_at_least
from db.raising import raise_idle
from db.refusal import DatabaseRefused, ForeignInstallation, StillAtWork, UnsafeDatabase
from db.resharding import Resharded, reshard
from db.revisions import check
from db.shard_ranges import ShardRange, ShardRanges, shard_ranges
from db.shards import Head, all_heads, lock_shards, move_heads
from tests.services.http.committing import notice

_NAME = "template"
_ORGANIZATIONS = [f"o{number}" for number in range(60)]


@pytest_asyncio.fixture
async def told(engine: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    """A database of four shards, in which something was said of many organizations."""
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE installation SET shards = 4, name = 'template'"))
        await connection.execute(text("DELETE FROM shards WHERE shard >= 4"))
    for turn, organization in enumerate(_ORGANIZATIONS):
        await _say(engine, organization, 1 + turn % 3)
    await _say(engine, "o0", 500)
    yield engine


async def _say(engine: AsyncEngine, organization: str, events: int = 1) -> tuple[int, datetime]:
    """Commit events of an organization, as a worker does; return its shard and their instant."""
    async with engine.begin() as connection:
        shard = (await shard_ranges(connection)).every[-1].shard_of(organization)
        await _append(connection, shard, organization, events)
        heads = await all_heads(connection)
    return shard, heads[shard].written_at


async def _append(connection: AsyncConnection, shard: int, organization: str, events: int = 1) -> None:
    heads, now = await lock_shards(connection, [shard])
    outgoing = [(shard, notice(organization, "web", now)) for _ in range(events)]
    rows, moved = chain_rows(heads, outgoing, "/whopays/test", now)
    await append(connection, rows)
    await move_heads(connection, moved)


async def _heads(engine: AsyncEngine) -> dict[int, Head]:
    async with engine.connect() as connection:
        return await all_heads(connection)


async def _reshard(engine: AsyncEngine, shards: int) -> Resharded:
    """Publish everything, and give the installation so many shards."""
    published = {shard: head.position for shard, head in (await _heads(engine)).items()}
    async with engine.begin() as connection:
        await note_published(connection, published)
    return await reshard(engine, _NAME, shards, published)


async def _events(engine: AsyncEngine, organization: str) -> list[tuple[int, int, datetime]]:
    """Return the places and instants of an organization's events, by position alone."""
    async with engine.connect() as connection:
        rows = await connection.execute(
            text("SELECT shard, position, recorded_at FROM log WHERE boundary = :name ORDER BY position"),
            {"name": organization},
        )
        return [tuple(row) for row in rows]


async def test_events_go_on_above_those_of_before(told: AsyncEngine) -> None:
    before = {name: await _events(told, name) for name in _ORGANIZATIONS}
    ends = {shard: head.position for shard, head in (await _heads(told)).items()}
    begin = max(ends.values())
    done = await _reshard(told, 7)
    assert (done.before, done.now) == (ShardRange(0, 4), ShardRange(4, 7, begin))
    for name in _ORGANIZATIONS:
        shard, _ = await _say(told, name, 2)
        assert shard in range(4, 11)
        found = await _events(told, name)
        assert found[:-2] == before[name]
        assert min(found[-2:])[:1] == (shard,)
        assert [one[2] for one in found] == sorted(one[2] for one in found)
        assert found[-2][2] > max(one[2] for events in before.values() for one in events)
    again = await _reshard(told, 3)
    assert again.now == ShardRange(11, 3, max(head.position for head in (await _heads(told)).values()))
    async with told.connect() as connection:
        ranges = await shard_ranges(connection)
        assert ranges.every[0] == ShardRange(0, 4, 0, tuple(ends[shard] for shard in range(4)))
        assert [one.numbers for one in ranges.every] == [range(4), range(4, 11), range(11, 14)]
        for name in _ORGANIZATIONS:
            for shard, position, _ in await _events(told, name):
                assert shard in ranges.shards_of(name)
                assert ranges.shard_at(name, position) == shard
                row = await row_at(connection, shard, position)
                assert row is not None
                assert f'"{shard}-{position}"'.encode() in row.value


async def test_nobody_adds_to_a_shard_that_is_closed(told: AsyncEngine) -> None:
    """Not even a process that hung all the while, and knows nothing of other shards."""
    await _reshard(told, 7)
    before = await _heads(told)
    for shard in range(4):
        with pytest.raises(asyncpg.CheckViolationError):
            async with told.begin() as connection:
                await _append(connection, shard, "o0")
    assert await _heads(told) == before


async def test_what_is_closed_holds_nothing_up_and_closes_nothing(told: AsyncEngine) -> None:
    await _reshard(told, 7)
    closed = {shard: head.last_instant for shard, head in (await _heads(told)).items()}
    async with told.begin() as connection:
        until = await closed_until(connection)
        now = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
        await raise_idle(connection, now)
        raised = await closed_until(connection)
    assert until is not None
    assert raised is not None
    assert raised > until
    assert {shard: head.last_instant for shard, head in (await _heads(told)).items() if shard < 4} == {
        shard: instant for shard, instant in closed.items() if shard < 4
    }


async def test_shards_close_and_begin_at_an_instant_that_none_has_passed(told: AsyncEngine) -> None:
    async def instants(first: int, end: int) -> set[tuple[datetime | None, ...]]:
        values = {"first": first, "end": end}
        async with told.connect() as connection:
            return {tuple(row) for row in await connection.execute(_INSTANTS, values)}

    async with told.connect() as connection:
        before = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
    await _reshard(told, 7)
    ((closed, last, _), *others) = {(*row[:2], None) for row in await instants(0, 4)}
    assert others == []
    assert closed == last
    assert last is not None
    assert last > before
    assert await instants(4, 11) == {(None, last, last)}
    async with told.begin() as connection:
        # Instants of before lie ahead of a clock that has gone back.
        ahead = "UPDATE shards SET last_instant = last_instant + interval '1 hour' WHERE shard = 5"
        await connection.execute(text(ahead))
    await _reshard(told, 3)
    ahead_of = last + timedelta(hours=1)
    assert {row[0] for row in await instants(4, 11)} == {ahead_of}
    assert {row[0] for row in await instants(0, 4)} == {last}, "closed once"
    assert await instants(11, 14) == {(None, ahead_of, ahead_of)}


_INSTANTS = text(
    "SELECT closed_at, last_instant, written_at FROM shards WHERE shard >= :first AND shard < :end ORDER BY shard"
)


@pytest.mark.parametrize(("before", "after"), (("0018", "0019"), ("0021", "0021")))
async def test_code_that_knows_nothing_of_it_does_not_start_again(told: AsyncEngine, before: str, after: str) -> None:
    async with told.begin() as connection:
        await connection.execute(text("UPDATE installation SET oldest_code = :code"), {"code": before})
    await _reshard(told, 7)
    async with told.connect() as connection:
        assert (await connection.execute(text("SELECT oldest_code FROM installation"))).scalar_one() == after


async def test_it_is_refused_while_anything_is_left_to_do(told: AsyncEngine) -> None:
    heads = await _heads(told)
    published = {shard: head.position for shard, head in heads.items()}
    with pytest.raises(StillAtWork, match=f"ends at {published[2]}, and Kafka says {published[2] - 1}"):
        await reshard(told, _NAME, 7, published | {2: published[2] - 1})
    async with told.begin() as connection:
        await _append(connection, 1, "o0")
        with pytest.raises(StillAtWork, match="holds a shard"):
            await reshard(told, _NAME, 7, published)
        await connection.rollback()
    async with told.begin() as connection:
        await take_lease(connection, 1, 0, "relay-1", 60.0)
    with pytest.raises(StillAtWork, match=r"A relay works \(relay-1\)"):
        await reshard(told, _NAME, 7, published)
    async with told.begin() as connection:
        await connection.execute(text("DELETE FROM relay_leases"))
    with pytest.raises(StillAtWork, match="in 4 of 4 shards: the log of shard 0 ends"):
        await reshard(told, _NAME, 7, {})
    with pytest.raises(DatabaseRefused, match="too many: 4 were used, 32000 can be"):
        await reshard(told, _NAME, 32_000, published)
    assert await _heads(told) == heads
    assert (await reshard(told, _NAME, 4, {})).is_new is False


async def test_a_database_that_takes_no_writes_is_refused_in_words(told: AsyncEngine) -> None:
    async with told.begin() as connection:
        name = (await connection.execute(text("SELECT current_database()"))).scalar_one()
        await connection.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'))
    await told.dispose()  # it counts for the next connection
    with pytest.raises(UnsafeDatabase, match="takes no writes"):
        await reshard(told, _NAME, 7, {})


async def test_each_process_has_to_know_the_new_ones(told: AsyncEngine) -> None:
    await _reshard(told, 7)
    await check(told, _NAME, 7, 4, is_disposable=True)
    made, begins = "was made with 7 shards", "first shard is 4; WHOPAYS_FIRST_SHARD says"
    for shards, first, words in ((4, 0, made), (7, 0, f"{begins} 0"), (11, 0, made), (7, 3, f"{begins} 3")):
        with pytest.raises(ForeignInstallation, match=words):
            await check(told, _NAME, shards, first, is_disposable=True)


async def test_of_an_installation_in_which_nothing_was_said(engine: AsyncEngine) -> None:
    done = await reshard(engine, _NAME, 5, {})
    assert done.now == ShardRange(48, 5)
    shard, _ = await _say(engine, "acme")
    async with engine.connect() as connection:
        ranges = await shard_ranges(connection)
    assert ranges.every[-1].shard_of("acme") == shard == ranges.shard_at("acme", 1)
    with pytest.raises(StillAtWork, match=f"the log of shard {shard} ends at 1, and Kafka says 0"):
        await reshard(engine, _NAME, 4, {})


async def test_as_many_shards_as_there_can_be(told: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("db.resharding._HIGHEST", 11)
    with pytest.raises(DatabaseRefused, match="8 more shards would be too many: 4 were used, 11 can be"):
        await _reshard(told, 8)
    assert (await _reshard(told, 7)).now.numbers == range(4, 11)
    async with told.connect() as connection:
        assert (await published_at_least(connection)).keys() == set(range(11))


async def test_the_log_has_room_for_shards_that_begin_far_on(told: AsyncEngine) -> None:
    async with told.begin() as connection:
        await connection.execute(text("UPDATE shards SET position = 1500000 WHERE shard = 2"))
    await _reshard(told, 7)
    async with told.connect() as connection:
        assert await positions_left(connection) == 1_499_999


def test_a_position_beyond_the_end_of_a_closed_shard_is_nowhere() -> None:
    ranges = ShardRanges([ShardRange(0, 2, 0, (5, 9)), ShardRange(2, 3, 9)])
    assert [ranges.is_beyond(shard, 6) for shard in range(5)] == [True, False, False, False, False]
    with pytest.raises(LookupError):
        ranges.of(5)
