"""Dead letters: kept without a worker, and acted on without a terminal."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.dead_letters import Choice, numbers_of
from db.sealing import KeyEncryption
from db.store import store_dead_letters
from domain.dead_letters import Dead
from tests.support.installations import Installation
from tests.support.kafka import all_consumed
from workers.redriving import Redriving, redrive


async def keep_letters(
    connection: AsyncConnection,
    letters: Iterable[Dead],
    instant: datetime,
    keys: KeyEncryption,
    origins: Mapping[str, int] | None = None,
) -> None:
    """Keep dead letters as a batch does, their events at positions of shard 7 from 1 on."""
    await connection.execute(text("SELECT"))
    placed = [(dead, (7, position, instant)) for position, dead in enumerate(letters, start=1)]
    await store_dead_letters(connection, placed, origins or {}, keys)


async def redriven_and_discarded(installation: Installation) -> None:
    """Redrive the first dead letter, wait until it was read, and discard it after that."""
    async with installation.engine.connect() as connection:
        (first, _), *_ = await numbers_of(connection, Choice())
    choice, state = Choice(numbers=((first, first),)), Redriving()
    await redrive(installation.settings, choice, by="ada", again=False, rate=None, state=state)
    assert len(state.put) == 1
    await all_consumed(installation)
    async with installation.engine.begin() as connection:
        await connection.execute(_DISCARD_AS_WELL, {"number": first})


_DISCARD_AS_WELL = text(
    """
    INSERT INTO dead_letter_actions (number, ordinal, action, by, at, reason)
    VALUES (:number, 2, 'Discarded', 'bob', clock_timestamp(), 'it is of no use')
    """
)
