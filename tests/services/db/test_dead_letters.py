"""Dead letters in a real database: chosen, listed and discarded, and what cannot be noted of them."""

from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from db.dead_letter_actions import discard
from db.dead_letters import LARGEST_NUMBER, Choice, Standing, find_dead_letters, find_what_is_kept, list_dead_letters
from schemas.records import DeadLetterReason
from tests.services.db.acting import NOW, begun, chosen, confirmed, done_to, keep_five

_NOTE = "INSERT INTO dead_letter_actions ({}) VALUES ({})"
_REDRIVEN = {"action": "'Redriven'", "reason": "NULL", "redrive_id": "gen_random_uuid()"}


@pytest_asyncio.fixture
async def kept(engine: AsyncEngine) -> AsyncEngine:
    """A database with five dead letters, numbered from 1."""
    return await keep_five(engine)


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


async def test_whoever_may_see_some_organizations_is_shown_theirs_alone(kept: AsyncEngine) -> None:
    async with kept.connect() as connection:
        for within, limit, numbers in (
            (["acme"], 2, [3, 2]), (["globex", "acme"], 2, [4, 3]), (["globex", "acme"], 9, [4, 3, 2, 1]),
            (["globex"], 9, [4]), (["none"], 9, []), ([], 9, []),
        ):  # fmt: skip
            found = await list_dead_letters(connection, Choice(), limit=limit, within=within)
            assert [one.number for one in found] == numbers, within
        page = await list_dead_letters(connection, Choice(), before=3, limit=9, within=["acme", "globex"])
        assert [one.number for one in page] == [2, 1]


async def test_what_is_kept_of_a_record_is_told_with_its_reason(kept: AsyncEngine) -> None:
    invalid = (DeadLetterReason.INVALID_FACT, True)
    async with kept.connect() as connection:
        found = await find_what_is_kept(connection, [0, 1, 3, 5, 999, LARGEST_NUMBER, 10**30])
    assert found == {1: invalid, 3: invalid, 5: (DeadLetterReason.CARD_NUMBER, False)}


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
