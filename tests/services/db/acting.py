"""Five dead letters, and what is done with them: each step in a transaction of its own."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.dead_letter_actions import Action, Arrived, actions_on, arrived, begin_redrives, confirm_redrives
from db.dead_letters import Choice, list_dead_letters, numbers_of
from domain.dead_letters import Dead
from schemas.records import REDRIVE_HEADER, DeadLetterReason, Record
from tests.services.db.storing import KEYS
from tests.support.letters import keep_letters

NOW = datetime(2027, 1, 31, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def letter(offset: int, organization: str | None = "acme", topic: str = "billing.projects") -> Dead:
    """A dead letter of a fact."""
    record = Record(topic, 0, offset, NOW, b"acme", (("a", b"1"),), b"x" * offset)
    return Dead(record, DeadLetterReason.INVALID_FACT, "broken", False, "acme", organization=organization)


def redriven(of: Dead, id_: UUID, offset: int) -> Record:
    """The record that a redrive puts on the topic."""
    header = (REDRIVE_HEADER, id_.hex.encode())
    return replace(of.record, offset=offset, timestamp=LATER, headers=(*of.record.headers, header))


async def keep_five(engine: AsyncEngine) -> AsyncEngine:
    """Keep five dead letters, numbered from 1, in a database."""
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
    """Return the numbers of the chosen dead letters, in their order."""
    async with engine.connect() as connection:
        found = await numbers_of(connection, choice)
        listed = await list_dead_letters(connection, choice, limit=100)
    numbers = [number for number, _ in found]
    assert sorted(numbers, reverse=True) == [one.number for one in listed], "both choose the same"
    return numbers


async def done_to(engine: AsyncEngine, number: int) -> list[Action]:
    """Return what was done with a dead letter."""
    async with engine.connect() as connection:
        return await actions_on(connection, number)


async def begun(engine: AsyncEngine, *numbers: int, again: bool = False) -> dict[int, UUID]:
    """Begin to redrive dead letters; return the id of each."""
    async with engine.begin() as connection:
        redrives, _ = await begin_redrives(connection, numbers, "ada", again=again)
    return {one.kept.number: one.id for one in redrives}


async def confirmed(engine: AsyncEngine, *ids: UUID, offset: int = 100) -> None:
    """Confirm redrives at the offsets from one on."""
    async with engine.begin() as connection:
        await confirm_redrives(connection, [(id_, 0, offset + index) for index, id_ in enumerate(ids)])


async def arrive(engine: AsyncEngine, *records: Record) -> Arrived:
    """Have a worker read records."""
    async with engine.begin() as connection:
        return await arrived(connection, records)
