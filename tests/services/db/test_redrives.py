"""Redrives of dead letters in a real database: taken down, confirmed, read once, and by one at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.dead_letter_actions import Arrived, begin_redrives, is_only_redriving, withdraw_redrives
from db.dead_letters import Choice, Standing
from schemas.records import REDRIVE_HEADER
from tests.services.db.acting import (
    LATER,
    arrive,
    begun,
    chosen,
    confirmed,
    done_to,
    keep_five,
    letter,
    redriven,
)
from tests.services.db.storing import KEYS
from tests.support.letters import keep_letters
from tests.support.waiting import until


@pytest_asyncio.fixture
async def kept(engine: AsyncEngine) -> AsyncEngine:
    """A database with five dead letters, numbered from 1."""
    return await keep_five(engine)


async def test_a_redrive_is_taken_down_confirmed_and_read(kept: AsyncEngine) -> None:
    ids = await begun(kept, 1, 2)
    assert (await done_to(kept, 1))[0].sent_at is None
    assert await chosen(kept, Choice(standing=Standing.WAITING)) == [1, 2, 3, 4, 5], "nobody knows whether it is there"
    await confirmed(kept, *ids.values())
    assert await chosen(kept, Choice(standing=Standing.REDRIVEN)) == [1, 2]
    (action,) = await done_to(kept, 2)
    assert (action.action, action.by, action.place, action.is_read) == (
        "Redriven",
        "ada",
        "billing.projects/0/101",
        False,
    )
    assert await arrive(kept, redriven(letter(2), ids[2], 101)) == Arrived(frozenset(), {"billing.projects/0/101": 2})
    (action,) = await done_to(kept, 2)
    assert (action.place, action.is_read, action.dead_letter) == ("billing.projects/0/101", True, None)
    # Read again in the same place it is the same record, and elsewhere a repetition.
    assert (await arrive(kept, redriven(letter(2), ids[2], 101))).repeated == frozenset()
    assert (await arrive(kept, redriven(letter(2), ids[2], 105))).repeated == {"billing.projects/0/105"}


async def test_what_a_worker_reads_first_counts_wherever_the_broker_confirmed_another(kept: AsyncEngine) -> None:
    ids = await begun(kept, 1)
    first, second = redriven(letter(1), ids[1], 100), redriven(letter(1), ids[1], 101)
    both = await arrive(kept, first, second)
    assert both == Arrived(frozenset({second.place}), {first.place: 1})
    await confirmed(kept, ids[1], offset=101)
    (action,) = await done_to(kept, 1)
    assert (action.place, action.is_read) == (first.place, True)
    assert await chosen(kept, Choice(standing=Standing.REDRIVEN)) == [1]


async def test_an_interrupted_redrive_goes_on_under_its_id(kept: AsyncEngine) -> None:
    ids = await begun(kept, 1, 2)
    async with kept.begin() as connection:
        redrives, left = await begin_redrives(connection, [1, 2, 3], "bob", again=False)
    assert [(one.kept.number, one.is_resumed) for one in redrives] == [(1, True), (2, True), (3, False)]
    assert {one.kept.number: one.id for one in redrives[:2]} == ids
    assert left == []
    assert [one.by for one in await done_to(kept, 1)] == ["ada"]


async def test_a_second_redrive_is_one_only_if_it_is_meant(kept: AsyncEngine) -> None:
    ids = await begun(kept, 1)
    await confirmed(kept, ids[1])
    assert await begun(kept, 1) == {}
    again = await begun(kept, 1, again=True)
    assert again[1] != ids[1]
    await confirmed(kept, again[1])
    assert [one.action for one in await done_to(kept, 1)] == ["Redriven", "Redriven"]


async def test_what_is_certainly_not_there_is_withdrawn(kept: AsyncEngine) -> None:
    ids = await begun(kept, 1, 2)
    await confirmed(kept, ids[2])
    async with kept.begin() as connection:
        await withdraw_redrives(connection, list(ids.values()))
    assert (await done_to(kept, 1), len(await done_to(kept, 2))) == ([], 1)


@pytest.mark.parametrize(
    "header", (b"", b"\x00" * 32, b"g" * 32, b"0" * 31, b"0" * 33, b"0" * 32 + b"\n", b"0123456789abcdef" * 2, None)
)
async def test_a_header_that_nobody_gave_out_means_nothing(kept: AsyncEngine, header: bytes | None) -> None:
    await begun(kept, 1)
    record = replace(letter(1).record, headers=((REDRIVE_HEADER, header),))
    assert await arrive(kept, record, replace(record, offset=99)) == Arrived(frozenset(), {})


async def test_each_record_of_a_batch_is_looked_at_whatever_stands_before_it(kept: AsyncEngine) -> None:
    ids = await begun(kept, 1, 2)
    foreign = redriven(letter(3), ids[1], 100)
    first, again, other = (redriven(letter(n), ids[n], at) for n, at in ((1, 101), (1, 102), (2, 103)))
    found = await arrive(kept, foreign, first, again, other)
    assert found == Arrived(frozenset({again.place}), {first.place: 1, other.place: 2})


async def test_an_id_counts_on_its_own_topic_only(kept: AsyncEngine) -> None:
    ids = await begun(kept, 1)
    elsewhere = replace(redriven(letter(1), ids[1], 7), topic="billing.admin-commands")
    assert await arrive(kept, elsewhere) == Arrived(frozenset(), {})
    assert not (await done_to(kept, 1))[0].is_read


async def test_what_dies_again_is_ordered_by_where_it_first_was(kept: AsyncEngine) -> None:
    ids = await begun(kept, 1)
    record = redriven(letter(1), ids[1], 100)
    origins = (await arrive(kept, record)).origins
    async with kept.begin() as connection:
        beside = replace(letter(9), record=replace(record, offset=9))
        await keep_letters(connection, [replace(letter(1), record=record)], LATER, KEYS, origins)
        await keep_letters(connection, [beside], LATER, KEYS)
    assert await chosen(kept, Choice(standing=Standing.WAITING)) == [6, 2, 3, 4, 5, 7]
    (action,) = await done_to(kept, 1)
    assert action.dead_letter == 6
    # And so on: the origin is the first of them all.
    again = redriven(letter(1), (await begun(kept, 6))[6], 200)
    assert (await arrive(kept, again)).origins == {again.place: 1}


async def test_two_that_redrive_the_same_wait_for_each_other(kept: AsyncEngine) -> None:
    async with _redriving(kept, 1) as ids:
        other = asyncio.create_task(begun(kept, 1))
        await until(lambda: _is_waiting(kept), "the second one to wait")
    assert await other == ids, "the same redrive, under the same id"


async def test_redrives_are_confirmed_in_the_order_in_which_workers_lock_them(kept: AsyncEngine) -> None:
    """Else a worker that reads some of them and whoever confirms them could each wait for the other."""
    ids = sorted((await begun(kept, 1, 2, 3, 4)).values(), reverse=True)
    async with kept.begin() as worker:
        await worker.execute(_LOCK, {"id": ids[-1]})
        confirming = asyncio.create_task(confirmed(kept, *ids))
        await until(lambda: _is_waiting(kept), "the confirmation to wait")
        for id_ in ids[:-1]:
            await worker.execute(_LOCK, {"id": id_})
    await confirming


_LOCK = text("SELECT FROM dead_letter_actions WHERE redrive_id = :id FOR UPDATE NOWAIT")


async def test_only_one_redrives_at_a_time(kept: AsyncEngine) -> None:
    async with kept.connect() as one, kept.connect() as other:
        assert await is_only_redriving(one)
        assert not await is_only_redriving(other)
    async with kept.connect() as third:
        await third.execute(text("SELECT pg_advisory_unlock_all()"))
    await kept.dispose()
    async with kept.connect() as later:
        assert await is_only_redriving(later)


@asynccontextmanager
async def _redriving(engine: AsyncEngine, *numbers: int) -> AsyncIterator[dict[int, UUID]]:
    async with engine.begin() as connection:
        redrives, _ = await begin_redrives(connection, numbers, "ada", again=False)
        yield {one.kept.number: one.id for one in redrives}


async def _is_waiting(engine: AsyncEngine) -> bool:
    statement = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with engine.connect() as connection:
        return bool((await connection.execute(text(statement))).scalar_one())
