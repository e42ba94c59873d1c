"""Closed instants, as the database knows them: what is published bounds them, and the next row does."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.closing import closed_instants, closed_until
from db.log import append, chain_rows
from db.published import note_published, unpublished
from db.shards import lock_shards, move_heads
from schemas.events import NoticeKind, ProjectBillingNotice
from schemas.outgoing import Outgoing

_SHARD = 5
_MICROSECOND = timedelta(microseconds=1)


def _notice(instant: datetime) -> Outgoing:
    event = ProjectBillingNotice(
        organization="acme",
        project="web",
        account=None,
        kind=NoticeKind.PAYER_MISSING,
        reason="ProjectUnbound",
        message="",
    )
    return Outgoing(event=event, boundary="acme", subject="acme/web", key=b"acme/web", time=instant)


async def _commit(engine: AsyncEngine, *shards: int, events: int = 1) -> datetime:
    """Write so many events, which share an instant, to each of the shards; return the instant."""
    async with engine.begin() as connection:
        heads, now = await lock_shards(connection, shards)
        outgoing = [(shard, _notice(now)) for shard in shards for _ in range(events)]
        rows, moved = chain_rows(heads, outgoing, "/whopays/test", now)
        await append(connection, rows)
        await move_heads(connection, moved)
    return now


async def _closed(engine: AsyncEngine, shard: int = _SHARD) -> datetime | None:
    async with engine.connect() as connection:
        return (await closed_instants(connection)).get(shard)


async def _note(engine: AsyncEngine, position: int) -> None:
    async with engine.begin() as connection:
        await note_published(connection, {_SHARD: position})


async def test_a_shard_of_which_nothing_is_known_is_left_out(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        assert await closed_instants(connection) == {}
        assert await closed_until(connection) is None


async def test_what_is_published_closes_and_what_is_not_holds_up(engine: AsyncEngine) -> None:
    first = await _commit(engine, _SHARD)
    assert await _closed(engine) == first - _MICROSECOND, "the event itself is still to come"
    await _note(engine, 1)
    assert await _closed(engine) == first
    nothing = await _commit(engine, _SHARD, events=0)
    assert await _closed(engine) == nothing, "a batch that changes nothing closes, too"
    transfer = await _commit(engine, _SHARD, events=3)
    assert await _closed(engine) == transfer - _MICROSECOND
    await _note(engine, 3)
    assert await _closed(engine) == transfer - _MICROSECOND, "the last of three events of one instant is to come"
    await _note(engine, 4)
    assert await _closed(engine) == transfer


async def test_what_is_not_known_to_be_published_is_counted(engine: AsyncEngine) -> None:
    async def left() -> int:
        async with engine.connect() as connection:
            return await unpublished(connection)

    assert await left() == 0
    await _commit(engine, _SHARD, events=3)
    await _commit(engine, 7, events=2)
    assert await left() == 5
    for position, expected in ((1, 4), (3, 2), (2, 2)):
        await _note(engine, position)
        assert await left() == expected, "what is known is never lowered"


async def test_later_events_do_not_take_back_what_is_closed(engine: AsyncEngine) -> None:
    closed = [await _commit(engine, _SHARD)]
    await _note(engine, 1)
    for _ in range(3):
        closed.append(await _closed(engine) or datetime.min.replace(tzinfo=UTC))
        await _commit(engine, _SHARD)
    assert closed == sorted(closed)


async def test_the_least_of_all_shards(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        raised = (
            await connection.execute(text("UPDATE shards SET last_instant = clock_timestamp() RETURNING last_instant"))
        ).scalars()
        assert await closed_until(connection) == min(raised)
    held = await _commit(engine, _SHARD)
    async with engine.connect() as connection:
        assert (await closed_until(connection) or held) < held
