"""Where records stood that claim no id, and what dead letters hold: kept as long as anybody may come back to it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.dead_letter_actions import _ERASE, discard
from db.engine import create_engine
from db.forgetting import forget_letters, let_letters_go
from db.tables.of_the_archive import archived_log
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
from workers import forgetting
from workers.forgetting import ForgettingLetters, ForgettingPlaces
from workers.runtime.metric import Forgotten
from workers.runtime.metrics import Metrics
from workers.runtime.roles import Role
from workers.runtime.settings import Settings

_WHOLE = text("SELECT number FROM dead_letters WHERE sealed IS NOT NULL OR key IS NOT NULL ORDER BY number")


async def test_a_place_is_forgotten_once_its_topic_does_not_hold_it(
    quiet_installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "_ROWS_AT_ONCE", 2)
    installation = quiet_installation
    worker = await installation.start(Role.ADMIN_COMMANDS, Role.PAYMENT_PROFILES)
    dry = [account("acme", "main", ce_id=f"dry-{number}", dryRun=True) for number in range(3)]
    await send(installation, [profile("acme"), *dry])
    await all_consumed(installation, Role.ADMIN_COMMANDS, Role.PAYMENT_PROFILES)
    assert await worker.stop() == 0
    metrics = Metrics()
    places = ForgettingPlaces(installation.engine, installation.settings, metrics)
    assert not await places.step()
    assert await _places(installation.engine) == 3
    await _keep_redriven(installation)
    assert await _forget(installation.engine, AT_ONCE, installation.settings) == []
    assert await _letters(installation.engine) == 1, "its topic holds what was redriven"
    await delete_records(installation, Role.ADMIN_COMMANDS)
    assert [await places.step(), await places.step(), await places.step()] == [True, False, False]
    assert await _places(installation.engine) == 0
    await _forget(installation.engine, AT_ONCE, installation.settings, metrics)
    assert await _letters(installation.engine) == 0
    assert [_counted(metrics, kind) for kind in (Forgotten.RECORDS, Forgotten.WHOLE_DEAD_LETTERS)] == [3, 1]


async def test_where_nothing_may_go_no_broker_is_asked(engine: AsyncEngine) -> None:
    settings = Settings(kafka_bootstrap_servers="127.0.0.1:1")
    assert await ForgettingPlaces(engine, settings, Metrics()).step() is False
    reader = create_engine(engine.url.render_as_string(hide_password=False), session={"role": "pg_read_all_data"})
    try:
        await ForgettingLetters(reader, settings, Metrics())._let_go([1])
    finally:
        await reader.dispose()


async def test_what_was_done_with_is_erased_and_what_waits_is_not(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "_ROWS_AT_ONCE", 1)
    async with engine.begin() as connection:
        waiting, discarded, unread, redriven = await _kept(connection, 4)
        await discard(connection, [discarded], "ada", "no use")
        await _redrive(connection, unread, None)
        await _redrive(connection, redriven, NOW)
    forget = partial(_forget, engine)
    assert await forget(1.0) == [waiting, discarded, unread, redriven]
    assert await forget(None) == [waiting, discarded, unread, redriven]
    metrics = Metrics()
    letters = ForgettingLetters(engine, Settings(keep_dead_letters_days=AT_ONCE), metrics)
    assert await _round(letters, engine) == [waiting, unread]
    async with engine.begin() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM dead_letter_actions"))).scalar_one() == 3
        await discard(connection, [waiting], "ada", "no use")
    assert await _round(letters, engine) == [unread], "the next round begins with the first one"
    assert _counted(metrics, Forgotten.DEAD_LETTERS) == 3


async def test_what_was_redriven_can_be_erased_by_hand(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        (number,) = await _kept(connection, 1)
        await _redrive(connection, number, NOW)
        for erases, discarded in ((False, []), (True, [number]), (True, [])):
            found, left = await discard(connection, [number], "ada", "no use", erases=erases)
            assert (found, [one.number for one in left]) == (discarded, [] if discarded else [number])
        assert (await connection.execute(_WHOLE)).scalars().all() == []


async def test_what_is_archived_and_done_with_goes(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        numbers = await _kept(connection, 6)
        waiting, discarded, unread, held, gone, published = numbers
        await discard(connection, [discarded, published], "ada", "no use")
        for number, read_at, offset in ((unread, None, 1), (held, NOW, 9), (gone, NOW, 8)):
            await _redrive(connection, number, read_at, offset=offset)
        for last in (2, 5):
            await _archive(connection, last)
        erased = await forget_letters(connection, 0, datetime.max.replace(tzinfo=UTC), 500)
        assert (erased.last, erased.erased) == (published, 4)
        assert sorted(erased.may_go) == [discarded, held, gone]
        others = {("billing.projects", 0): 0, ("billing.admin-commands", 1): 0}
        for beginnings, number in (({}, 1), ({("billing.admin-commands", 0): 9} | others, 1)):
            assert await let_letters_go(connection, erased.may_go, beginnings) == number
        # The database looks for itself: whether it is erased, and if so, whether it is done with, read and archived.
        sealed = text("UPDATE dead_letters SET wrapped_key = 'kept' WHERE number = :number")
        await connection.execute(sealed, {"number": held})
        await connection.execute(_ERASE, {"numbers": [waiting, unread, published]})
        assert await let_letters_go(connection, numbers, {("billing.admin-commands", 0): 10}) == 0
        left = text("SELECT number FROM dead_letters ORDER BY number")
        assert (await connection.execute(left)).scalars().all() == [waiting, unread, held, published]
        acted = text("SELECT number FROM dead_letter_actions ORDER BY number")
        assert (await connection.execute(acted)).scalars().all() == [unread, held, published]


async def _keep_redriven(installation: Installation) -> None:
    """Keep a dead letter whose event is archived, and whose record was put on its topic, where a dry run stands."""
    topic = f"{installation.prefix}{Role.ADMIN_COMMANDS}"
    async with installation.engine.begin() as connection:
        (number,) = await _kept(connection, 1, topic)
        place = text('SELECT partition, max("offset") AS "offset" FROM handled_records GROUP BY partition')
        put = (await connection.execute(place)).one()
        await _redrive(connection, number, NOW, put.partition, put.offset)
        await _archive(connection, 1)


async def _kept(connection: AsyncConnection, number: int, topic: str = "billing.admin-commands") -> Sequence[int]:
    """Keep so many dead letters, and return their numbers."""
    letters = [
        Dead(Record(topic, 0, place, NOW, b"acme", (), b"secret"), DeadLetterReason.HANDLER_FAULT, "why", True, "acme")
        for place in range(number)
    ]
    await keep_letters(connection, letters, NOW, KEYS)
    return (await connection.execute(_WHOLE)).scalars().all()


async def _redrive(
    connection: AsyncConnection, number: int, read_at: datetime | None, partition: int = 0, offset: int = 9
) -> None:
    """Note that a dead letter was redriven to a place, and when a worker has read it there."""
    values = {"number": number, "read_at": read_at, "partition": partition, "offset": offset}
    await connection.execute(text(_REDRIVEN), values)


async def _archive(connection: AsyncConnection, position: int) -> None:
    """Note that a shard's log is archived up to a position."""
    await connection.execute(
        insert(archived_log).values(
            shard=7, first_position=1, last_position=position, first_instant=NOW, last_instant=NOW, last_hash=b"h",
            file="f", size=1, sha256=b"s", index_size=1, index_sha256=b"s", manifest="m", manifest_sha256=b"s",
        )
    )  # fmt: skip


async def _letters(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(text("SELECT count(*) FROM dead_letters"))).scalar_one())


async def _forget(
    engine: AsyncEngine, days: float | None, settings: Settings | None = None, metrics: Metrics | None = None
) -> list[Any]:
    given = (settings or Settings()).model_copy(update={"keep_dead_letters_days": days})
    return await _round(ForgettingLetters(engine, given, metrics or Metrics()), engine)


async def _round(letters: ForgettingLetters, engine: AsyncEngine) -> list[Any]:
    while await letters.step():
        pass
    async with engine.connect() as connection:
        return list((await connection.execute(_WHOLE)).scalars().all())


def _counted(metrics: Metrics, kind: Forgotten) -> float | None:
    return metrics.registry.get_sample_value("whopays_forgotten_total", {"kind": str(kind)})


async def _places(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(text("SELECT count(*) FROM handled_records"))).scalar_one())


_REDRIVEN = """
    INSERT INTO dead_letter_actions
        (number, ordinal, action, by, at, redrive_id, sent_at, partition, "offset", timestamp)
    VALUES (:number, 1, 'Redriven', 'ada', now(), gen_random_uuid(), now(), :partition, :offset, :read_at)
"""
