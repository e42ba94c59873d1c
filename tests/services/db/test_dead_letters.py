"""Dead letters in a real database: chosen and listed, and what is done with them and by whom."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from db.dead_letter_actions import (
    Action,
    Arrived,
    actions_on,
    arrived,
    begin_redrives,
    confirm_redrives,
    discard,
    is_only_redriving,
    withdraw_redrives,
)
from db.dead_letters import LARGEST_NUMBER, Choice, Standing, find_dead_letters, list_dead_letters, numbers_of
from domain.dead_letters import Dead
from schemas.records import REDRIVE_HEADER, DeadLetterReason, Record
from tests.services.db.storing import KEYS
from tests.support.letters import keep_letters
from tests.support.waiting import until

NOW = datetime(2027, 1, 31, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
_NOTE = "INSERT INTO dead_letter_actions ({}) VALUES ({})"
_REDRIVEN = {"action": "'Redriven'", "reason": "NULL", "redrive_id": "gen_random_uuid()"}


def letter(offset: int, organization: str | None = "acme", topic: str = "billing.projects") -> Dead:
    """A dead letter of a fact."""
    record = Record(topic, 0, offset, NOW, b"acme", (("a", b"1"),), b"x" * offset)
    return Dead(record, DeadLetterReason.INVALID_FACT, "broken", False, "acme", organization=organization)


def redriven(of: Dead, id_: UUID, offset: int) -> Record:
    """The record that a redrive puts on the topic."""
    header = (REDRIVE_HEADER, id_.hex.encode())
    return replace(of.record, offset=offset, timestamp=LATER, headers=(*of.record.headers, header))


@pytest_asyncio.fixture
async def kept(engine: AsyncEngine) -> AsyncEngine:
    """A database with five dead letters, numbered from 1."""
    others = [
        letter(4, "globex"),
        replace(letter(5, None, "billing.payment-profiles"), reason=DeadLetterReason.CARD_NUMBER),
    ]
    async with engine.begin() as connection:
        await connection.execute(text("ALTER SEQUENCE dead_letters_number_seq RESTART"))
        await keep_letters(connection, [letter(1), letter(2), letter(3)], NOW, KEYS)
        await keep_letters(connection, others, LATER, KEYS)
    return engine


async def chosen(engine: AsyncEngine, choice: Choice) -> list[int]:
    async with engine.connect() as connection:
        found = await numbers_of(connection, choice)
        listed = await list_dead_letters(connection, choice, limit=100)
    numbers = [number for number, _ in found]
    assert sorted(numbers, reverse=True) == [one.number for one in listed], "both choose the same"
    return numbers


async def done_to(engine: AsyncEngine, number: int) -> list[Action]:
    async with engine.connect() as connection:
        return await actions_on(connection, number)


async def begun(engine: AsyncEngine, *numbers: int, again: bool = False) -> dict[int, UUID]:
    async with engine.begin() as connection:
        redrives, _ = await begin_redrives(connection, numbers, "ada", again=again)
    return {one.kept.number: one.id for one in redrives}


async def confirmed(engine: AsyncEngine, *ids: UUID, offset: int = 100) -> None:
    async with engine.begin() as connection:
        await confirm_redrives(connection, [(id_, 0, offset + index) for index, id_ in enumerate(ids)])


async def arrive(engine: AsyncEngine, *records: Record) -> Arrived:
    async with engine.begin() as connection:
        return await arrived(connection, records)


@pytest.mark.parametrize(
    ("choice", "numbers"),
    (
        (Choice(), [1, 2, 3, 4, 5]),
        (Choice(organization="globex"), [4]),
        (Choice(organization="acme"), [1, 2, 3]),
        (Choice(organization="Acme"), []),
        (Choice(topic="billing.payment-profiles"), [5]),
        (Choice(reason=DeadLetterReason.CARD_NUMBER), [5]),
        (Choice(since=NOW), [1, 2, 3, 4, 5]),
        (Choice(since=NOW + timedelta(microseconds=1)), [4, 5]),
        (Choice(since=datetime.max.replace(tzinfo=UTC)), []),
        (Choice(numbers=((2, 3),)), [2, 3]),
        (Choice(numbers=((5, 5), (1, 1), (2, 1))), [1, 5]),
        (Choice(numbers=((4, LARGEST_NUMBER),)), [4, 5]),
        (Choice(numbers=((10**30, 10**31),)), []),
        (Choice(numbers=((1, 4),), organization="globex"), [4]),
        (Choice(places=(("billing.projects", 0, 1), ("billing.projects", 1, 2), ("other", 0, 10**18))), [1]),
        (Choice(places=(("billing.projects", 0, 1),), organization="globex"), []),
        (Choice(standing=Standing.WAITING), [1, 2, 3, 4, 5]),
        (Choice(standing=Standing.REDRIVEN), []),
    ),
)
async def test_what_is_chosen(kept: AsyncEngine, choice: Choice, numbers: list[int]) -> None:
    assert await chosen(kept, choice) == numbers


async def test_pages_and_what_they_leave_out(kept: AsyncEngine) -> None:
    async with kept.connect() as connection:
        first = await list_dead_letters(connection, Choice(), limit=2)
        second = await list_dead_letters(connection, Choice(), before=first[-1].number, limit=2)
        (whole,) = await find_dead_letters(connection, [3])
        assert await find_dead_letters(connection, [999, 10**30]) == []
    assert [one.number for one in (*first, *second)] == [5, 4, 3, 2]
    assert (second[0].record.value, second[0].size, whole.record.value) == (None, 3, b"xxx")
    assert (whole.event_id, whole.organization, whole.recorded_at) == ("7-3", "acme", NOW)


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


async def test_discarding(kept: AsyncEngine) -> None:
    await confirmed(kept, (await begun(kept, 1))[1])
    await begun(kept, 2)
    async with kept.begin() as connection:
        discarded, left = await discard(connection, [1, 2, 3, 5, 999], "bob", "sent again by hand")
    assert (discarded, [one.number for one in left]) == ([2, 3, 5], [1])
    assert await chosen(kept, Choice(standing=Standing.DISCARDED)) == [2, 3, 5]
    assert await chosen(kept, Choice(standing=Standing.WAITING)) == [4]
    assert [(one.action, one.by, one.reason) for one in await done_to(kept, 2)] == [
        ("Redriven", "ada", None), ("Discarded", "bob", "sent again by hand"),
    ]  # fmt: skip
    assert await begun(kept, 3) == {}
    await confirmed(kept, (await begun(kept, 3, again=True))[3])
    assert await chosen(kept, Choice(standing=Standing.REDRIVEN)) == [1, 3]
    assert await begun(kept, 5, again=True) == {}, "nothing of it is kept"


@pytest.mark.parametrize(
    "header", (b"", b"\x00" * 32, b"g" * 32, b"0" * 31, b"0" * 33, b"0" * 32 + b"\n", b"0123456789abcdef" * 2, None)
)
async def test_a_header_that_nobody_gave_out_means_nothing(kept: AsyncEngine, header: bytes | None) -> None:
    await begun(kept, 1)
    record = replace(letter(1).record, headers=((REDRIVE_HEADER, header),))
    assert await arrive(kept, record, replace(record, offset=99)) == Arrived(frozenset(), {})


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
        await keep_letters(connection, [replace(letter(1), record=record)], LATER, KEYS, origins)
    assert await chosen(kept, Choice(standing=Standing.WAITING)) == [6, 2, 3, 4, 5]
    assert (await done_to(kept, 1))[0].dead_letter == 6
    # And so on: the origin is the first of them all.
    again = redriven(letter(1), (await begun(kept, 6))[6], 200)
    assert (await arrive(kept, again)).origins == {again.place: 1}


async def test_two_that_redrive_the_same_wait_for_each_other(kept: AsyncEngine) -> None:
    async with _redriving(kept, 1) as ids:
        other = asyncio.create_task(begun(kept, 1))
        await until(lambda: _is_waiting(kept), "the second one to wait")
    assert await other == ids, "the same redrive, under the same id"


async def test_only_one_redrives_at_a_time(kept: AsyncEngine) -> None:
    async with kept.connect() as one, kept.connect() as other:
        assert await is_only_redriving(one)
        assert not await is_only_redriving(other)
    async with kept.connect() as third:
        await third.execute(text("SELECT pg_advisory_unlock_all()"))
    await kept.dispose()
    async with kept.connect() as later:
        assert await is_only_redriving(later)


@pytest.mark.parametrize(
    ("constraint", "row"),
    (
        ("dead_letter_actions_of_dead_letter", {"number": "99"}),
        ("dead_letter_actions_ordinal_from_one", {"ordinal": "0"}),
        ("dead_letter_actions_known", {"action": "'Forgotten'"}),
        ("dead_letter_actions_known", {"reason": "NULL"}),
        ("dead_letter_actions_known", {"redrive_id": "gen_random_uuid()"}),
        ("dead_letter_actions_known", {"action": "'Redriven'", "reason": "NULL"}),
        ("dead_letter_actions_known", {"action": "'Redriven'", "redrive_id": "gen_random_uuid()"}),
        ("dead_letter_actions_place", {**_REDRIVEN, "partition": "1", '"offset"': "1"}),
        ("dead_letter_actions_place", {**_REDRIVEN, "sent_at": "now()", "partition": "1"}),
        ("dead_letter_actions_place", {**_REDRIVEN, "sent_at": "now()", "timestamp": "now()"}),
    ),
)
async def test_what_cannot_be_noted(kept: AsyncEngine, constraint: str, row: dict[str, str]) -> None:
    whole = {"number": "1", "ordinal": "1", "action": "'Discarded'", "by": "'ada'", "at": "now()", "reason": "''"} | row
    statement = _NOTE.format(", ".join(whole), ", ".join(whole.values()))
    with pytest.raises(DBAPIError, match=constraint):
        async with kept.begin() as connection:
            await connection.execute(text(statement))


@asynccontextmanager
async def _redriving(engine: AsyncEngine, *numbers: int) -> AsyncIterator[dict[int, UUID]]:
    async with engine.begin() as connection:
        redrives, _ = await begin_redrives(connection, numbers, "ada", again=False)
        yield {one.kept.number: one.id for one in redrives}


async def _is_waiting(engine: AsyncEngine) -> bool:
    statement = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with engine.connect() as connection:
        return bool((await connection.execute(text(statement))).scalar_one())
