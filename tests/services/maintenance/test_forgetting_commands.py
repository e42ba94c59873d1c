"""Old commands: their rows go, and their ids keep their meaning."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from db.questions.results import results_of_command
from domain.reach import EVERYTHING, Reach
from schemas.askers import Names
from tests.support.batches import batches
from tests.support.forgetting import AT_ONCE, all_published, forget_commands_of, forget_old_commands
from tests.support.model.said import Said
from tests.support.telling import tell
from workers import forgetting
from workers.forgetting import ForgettingCommands
from workers.runtime.metrics import Metrics
from workers.runtime.settings import Settings

_WAITS = Said("BindProject", "waits", {"organization": "acme", "project": "p", "account": "a", "waitSeconds": 3600})
_REFUSED = Said("BindProject", "refused", {"organization": "acme", "project": "q", "account": "a"})
_OTHER = Said("CreateAccount", "other", {"organization": "acme", "account": "b"})
_CREATE = Said("CreateAccount", "create", {"organization": "acme", "account": "a"})
_KEPT = text("SELECT count(*) FROM forgotten_commands")
_LEFT = text("SELECT command_id FROM inbox ORDER BY command_id")


async def test_what_waits_stays_and_what_is_over_goes(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Step by step, and in the next round what was said since."""
    monkeypatch.setattr(forgetting, "_ROWS_AT_ONCE", 1)
    metrics = Metrics()
    forgetting_commands = ForgettingCommands(engine, Settings(keep_commands_days=AT_ONCE), metrics)
    for said, gone in (([_CREATE, _WAITS, _REFUSED], 2), ([_OTHER], 3)):
        await tell(batches(engine), said)
        await all_published(engine)
        while await forgetting_commands.step():
            pass
        async with engine.connect() as connection:
            assert (await connection.execute(_LEFT)).scalars().all() == ["waits"]
            assert (await connection.execute(_KEPT)).scalar_one() == gone
        assert metrics.registry.get_sample_value("whopays_forgotten_total", {"kind": "commands"}) == gone


@pytest.mark.parametrize("days", (None, 1.0))
async def test_what_is_not_old_enough_stays(engine: AsyncEngine, days: float | None) -> None:
    await tell(batches(engine), [_CREATE])
    await forget_old_commands(engine, keep_commands_days=days)
    async with engine.connect() as connection:
        assert (await connection.execute(_LEFT)).scalars().all() == ["create"]


async def test_what_is_not_published_stays(engine: AsyncEngine) -> None:
    await tell(batches(engine), [_CREATE])
    await all_published(engine)
    elsewhere = Said("BindProject", "first", {"organization": "globex", "project": "q", "account": "a"})
    await tell(batches(engine), [_OTHER, elsewhere])
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM published WHERE position = 0"))
    forgetting_commands = ForgettingCommands(engine, Settings(keep_commands_days=AT_ONCE), Metrics())
    while await forgetting_commands.step():
        pass
    async with engine.connect() as connection:
        assert (await connection.execute(_LEFT)).scalars().all() == ["first", "other"]


async def test_results_are_found_by_their_id_as_before(engine: AsyncEngine) -> None:
    await tell(batches(engine), [_CREATE])
    reaches = (EVERYTHING, Reach((Names(frozenset({"a"})),), ()), Reach((Names(frozenset({"b"})),), ()))

    async def found() -> list[Any]:
        async with engine.connect() as connection:
            return [
                await results_of_command(connection, organization, "create", source, reach)
                for organization in ("acme", "globex")
                for source in (None, _CREATE.source, "/other")
                for reach in reaches
            ]

    before = await found()
    assert [len(one) for one in before] == [1, 1, 0, 1, 1, 0, *12 * [0]]
    await forget_commands_of(engine, ["acme"])
    assert await found() == before


async def test_the_database_holds_the_promise(engine: AsyncEngine) -> None:
    await tell(batches(engine), [_CREATE])
    elsewhere = (
        "INSERT INTO forgotten_commands SELECT position + 1, shard, command_digest(organization, source, command_id), "
        "substr(fingerprint, 1, 8) FROM inbox"
    )
    await _refused(engine, "inbox_is_kept", "DELETE FROM inbox")
    await _refused(engine, "inbox_is_kept", elsewhere, "DELETE FROM inbox")
    await _refused(engine, "inbox_is_kept", "TRUNCATE inbox")
    await _run(engine, "CREATE TABLE copied AS SELECT * FROM inbox")
    await forget_commands_of(engine, ["acme"])
    await _refused(engine, "forgotten_commands_pkey", "INSERT INTO inbox SELECT * FROM copied")
    for statement in ("UPDATE forgotten_commands SET position = 1", "DELETE FROM forgotten_commands"):
        await _refused(engine, "forgotten_commands_are_kept", statement)
    await _refused(engine, "forgotten_commands_are_kept", "TRUNCATE forgotten_commands")


async def _refused(engine: AsyncEngine, name: str, *statements: str) -> None:
    with pytest.raises(DBAPIError, match=f'"{name}"'):
        await _run(engine, *statements)


async def _run(engine: AsyncEngine, *statements: str) -> None:
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))
