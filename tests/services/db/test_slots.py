"""Among how many slots the shards are divided, and who has which: one number at a time, shared out fairly."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.at_work import Slot, publishing_slots
from db.leases import give_up_lease, take_lease
from db.slots import Division, Sharing, agree, division, leave, note_fenced, share_out, without_relay
from tests.support.waiting import until

_HOUR = 3600.0


@pytest.fixture
async def connection(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    async with engine.connect() as connection:
        yield connection
        await connection.rollback()


async def test_the_number_changes_only_while_nobody_works_with_another(connection: AsyncConnection) -> None:
    assert await division(connection) == Division(1, frozenset(), 0)
    assert await agree(connection, 1, _HOUR)
    assert await take_lease(connection, 1, 0, "old", _HOUR)
    assert not await agree(connection, 3, _HOUR), "somebody works with one"
    assert not await take_lease(connection, 3, 1, "new", _HOUR)
    assert await agree(connection, 1, _HOUR)
    await give_up_lease(connection, 0, "old")
    assert await agree(connection, 3, _HOUR)
    assert await division(connection) == Division(3, frozenset({1}), 1)
    assert not await take_lease(connection, 1, 0, "old", _HOUR), "whoever is late gets nothing"
    assert await take_lease(connection, 3, 0, "new", _HOUR)


async def test_a_lease_that_has_ended_or_lies_too_far_ahead_holds_no_number(connection: AsyncConnection) -> None:
    moved = text("UPDATE relay_leases SET expires_at = clock_timestamp() + make_interval(secs => :seconds)")
    for number, seconds in enumerate((-1, 700), 1):
        assert await take_lease(connection, number, 0, "old", 60)
        await connection.execute(moved, {"seconds": seconds})
        assert await agree(connection, number + 1, 60), seconds
        assert await without_relay(connection) == (number + 1, list(range(number + 1)))


async def test_earlier_numbers_are_kept_until_their_producers_are_fenced(connection: AsyncConnection) -> None:
    for number in (3, 2, 3):
        assert await agree(connection, number, _HOUR)
    found = await division(connection)
    assert found == Division(3, frozenset({1, 2, 3}), 3)
    await note_fenced(connection, found.change - 1)
    assert await division(connection) == found, "the number has changed since"
    await note_fenced(connection, found.change)
    assert (await division(connection)).unfenced == frozenset()


async def test_slots_are_shared_out_among_those_who_count(connection: AsyncConnection) -> None:
    assert await agree(connection, 3, _HOUR)
    assert await share_out(connection, "a", _HOUR, counts=True) == Sharing((0, 1, 2), 3)
    for slot in range(3):
        assert await take_lease(connection, 3, slot, "a", _HOUR)
    assert await share_out(connection, "b", _HOUR, counts=True) == Sharing((), 2)
    assert await share_out(connection, "a", _HOUR, counts=True) == Sharing((), 2), "there are two now"
    await give_up_lease(connection, 2, "a")
    assert await share_out(connection, "b", _HOUR, counts=False) == Sharing((2,), 2)
    assert await share_out(connection, "a", _HOUR, counts=True) == Sharing((2,), 3), "the other does not count"
    await leave(connection, "a")
    assert await share_out(connection, "b", _HOUR, counts=True) == Sharing((2,), 3)
    await connection.execute(text("UPDATE relay_processes SET expires_at = clock_timestamp() - interval '1 s'"))
    assert await share_out(connection, "a", _HOUR, counts=True) == Sharing((2,), 3), "whoever is silent does not count"


async def test_whoever_counted_before_the_number_changed_counts_no_more(connection: AsyncConnection) -> None:
    assert (await share_out(connection, "a", _HOUR, counts=True)).share == 1
    assert await agree(connection, 4, _HOUR)
    assert await share_out(connection, "b", _HOUR, counts=True) == Sharing((0, 1, 2, 3), 4)


async def test_who_wants_another_number_waits_for_whoever_changes_it(engine: AsyncEngine) -> None:
    """And then finds out that somebody works with that."""

    async def other() -> bool:
        async with engine.begin() as connection:
            return await agree(connection, 2, _HOUR)

    async def is_waiting() -> bool:
        async with engine.connect() as watching:
            return bool((await watching.execute(_WAITING)).scalar_one())

    async with engine.begin() as first:
        assert await agree(first, 3, _HOUR)
        assert await take_lease(first, 3, 0, "first", _HOUR)
        waiting = asyncio.create_task(other())
        await until(is_waiting, "the other one at the lock")
    assert not await waiting


_WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")


async def test_slots_without_a_relay_are_named(connection: AsyncConnection) -> None:
    assert await agree(connection, 3, _HOUR)
    assert await take_lease(connection, 3, 1, "a", _HOUR)
    assert await without_relay(connection) == (3, [0, 2])


async def test_the_holder_of_each_slot_is_told(connection: AsyncConnection) -> None:
    assert await publishing_slots(connection) == [Slot(0, None, None)]
    assert await agree(connection, 3, _HOUR)
    for slot, owner in ((1, "a"), (2, "b")):
        assert await take_lease(connection, 3, slot, owner, _HOUR)
    await connection.execute(
        text("UPDATE relay_leases SET expires_at = clock_timestamp() - interval '1 s' WHERE slot = 2")
    )
    found = await publishing_slots(connection)
    assert [(one.number, one.owner, one.holder) for one in found] == [(0, None, None), (1, "a", "a"), (2, "b", None)]
    assert found[1].seconds_left is not None
    assert 0 < found[1].seconds_left <= _HOUR
