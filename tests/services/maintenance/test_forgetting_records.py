"""Where records stood that claim no id, and what dead letters hold: kept as long as anybody may come back to it."""

from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.dead_letter_actions import discard
from domain.dead_letters import Dead
from schemas.records import DeadLetterReason, Record
from tests.faults.moving import delete_records
from tests.services.db.records_of_each_kind import NOW
from tests.services.db.storing import KEYS
from tests.support.forgetting import AT_ONCE
from tests.support.installations import Installation
from tests.support.kafka import all_consumed, send
from tests.support.letters import keep_letters
from tests.support.messages import account, profile
from workers.forgetting import ForgettingLetters, ForgettingPlaces
from workers.runtime.metrics import Metrics
from workers.runtime.roles import Role
from workers.runtime.settings import Settings

_WHOLE = text("SELECT number FROM dead_letters WHERE sealed IS NOT NULL OR key IS NOT NULL ORDER BY number")


async def test_a_place_is_forgotten_once_its_topic_does_not_hold_it(quiet_installation: Installation) -> None:
    installation = quiet_installation
    worker = await installation.start(Role.ADMIN_COMMANDS, Role.PAYMENT_PROFILES)
    dry = [account("acme", "main", ce_id=f"dry-{number}", dryRun=True) for number in range(3)]
    await send(installation, [profile("acme"), *dry])
    await all_consumed(installation, Role.ADMIN_COMMANDS, Role.PAYMENT_PROFILES)
    assert await worker.stop() == 0
    forgetting = ForgettingPlaces(installation.engine, installation.settings, Metrics())
    assert not await forgetting.step()
    assert await _places(installation.engine) == 3
    await delete_records(installation, Role.ADMIN_COMMANDS)
    assert not await forgetting.step()
    assert await _places(installation.engine) == 0


async def test_what_was_done_with_is_erased_and_what_waits_is_not(engine: AsyncEngine) -> None:
    letters = [
        Dead(Record("billing.admin-commands", 0, place, NOW, b"acme", (), b"secret"), DeadLetterReason.HANDLER_FAULT,
             "why", True, "acme")
        for place in range(4)
    ]  # fmt: skip
    async with engine.begin() as connection:
        await keep_letters(connection, letters, NOW, KEYS)
        waiting, discarded, unread, redriven = (await connection.execute(_WHOLE)).scalars().all()
        await discard(connection, [discarded], "ada", "no use")
        for number, read_at in ((unread, None), (redriven, NOW)):
            await connection.execute(text(_REDRIVEN), {"number": number, "read_at": read_at})
    forget = partial(_forget, engine)
    assert await forget(1.0) == [waiting, discarded, unread, redriven]
    assert await forget(None) == [waiting, discarded, unread, redriven]
    assert await forget(AT_ONCE) == [waiting, unread]
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM dead_letter_actions"))).scalar_one() == 3


async def test_what_was_redriven_can_be_erased_by_hand(engine: AsyncEngine) -> None:
    record = Record("billing.admin-commands", 0, 0, NOW - timedelta(days=1), b"acme", (), b"secret")
    async with engine.begin() as connection:
        letter = Dead(record, DeadLetterReason.HANDLER_FAULT, "why", True, "acme")
        await keep_letters(connection, [letter], NOW, KEYS)
        (number,) = (await connection.execute(_WHOLE)).scalars().all()
        await connection.execute(text(_REDRIVEN), {"number": number, "read_at": NOW})
        for erases, discarded in ((False, []), (True, [number]), (True, [])):
            found, left = await discard(connection, [number], "ada", "no use", erases=erases)
            assert (found, [one.number for one in left]) == (discarded, [] if discarded else [number])
        assert (await connection.execute(_WHOLE)).scalars().all() == []


async def _forget(engine: AsyncEngine, days: float | None) -> list[Any]:
    forgetting = ForgettingLetters(engine, Settings(keep_dead_letters_days=days), Metrics())
    while await forgetting.step():
        pass
    async with engine.connect() as connection:
        return list((await connection.execute(_WHOLE)).scalars().all())


async def _places(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(text("SELECT count(*) FROM handled_records"))).scalar_one())


_REDRIVEN = """
    INSERT INTO dead_letter_actions
        (number, ordinal, action, by, at, redrive_id, sent_at, partition, "offset", timestamp)
    VALUES (:number, 1, 'Redriven', 'ada', now(), gen_random_uuid(), now(), 0, 9, :read_at)
"""
