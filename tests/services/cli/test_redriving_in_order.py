"""What a redrive puts on its topics and what it leaves, told page by page: real dead letters, without a process."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.dead_letters import Choice
from db.sealing import LocalKeys, Unopenable
from domain.dead_letters import Dead
from schemas.records import REDRIVE_HEADER, DeadLetterReason, Record
from schemas.topics import Topic
from tests.services.cli.redrives import on_topic
from tests.support.command_line import whopays_of
from tests.support.installations import Installation
from tests.support.letters import keep_letters
from workers import redriving
from workers.redriving import AnotherRedrives, Redriving, _alone, redrive
from workers.runtime.settings import Settings

_NOW = datetime(2027, 1, 31, 12, tzinfo=UTC)
_GONE = LocalKeys({"gone": b"k" * 32}, "gone")
_ACTED = text("SELECT number FROM dead_letter_actions ORDER BY number")
_OTHERS = text(
    "SELECT state FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
    "AND backend_type = 'client backend'"
)


def _dead(topic: str, offset: int, organization: str | None) -> Dead:
    record = Record(topic, 0, offset, _NOW, b"key", (("a", b"1"), (REDRIVE_HEADER, b"of before")), b"said %d" % offset)
    return Dead(record, DeadLetterReason.INVALID_FACT, "broken", False, "acme", organization=organization)


async def _keep(installation: Installation, letters: Sequence[Dead], keys: LocalKeys) -> list[int]:
    """Keep dead letters; return their numbers."""
    async with installation.engine.begin() as connection:
        await keep_letters(connection, letters, _NOW, keys)
        numbers = await connection.execute(text("SELECT number FROM dead_letters ORDER BY number"))
        return list(numbers.scalars())


async def _acted(engine: AsyncEngine) -> list[int]:
    async with engine.connect() as connection:
        return list((await connection.execute(_ACTED)).scalars())


async def test_what_is_refused_holds_up_its_own_alone(
    quiet_installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where nobody knows whose it is, and beyond the end of a page."""
    monkeypatch.setattr(redriving, "_AT_ONCE", 4)
    settings = quiet_installation.settings
    ours, foreign = settings.topic(Topic.PROJECTS), "other.projects"
    whose = (
        (foreign, "acme"), (ours, "acme"), (ours, "acme"), (ours, "globex"),
        (foreign, None), (ours, None), (ours, "acme"),
    )  # fmt: skip
    letters = [_dead(topic, offset, organization) for offset, (topic, organization) in enumerate(whose)]
    first, *numbers = await _keep(quiet_installation, letters, quiet_installation.keys)
    state, seen = Redriving(), []
    await redrive(
        settings, Choice(), by="ada", again=False, rate=1000, state=state,
        progress=lambda: seen.append((state.done, len(state.chosen))),
    )  # fmt: skip
    assert seen == [(0, 7), (4, 7), (7, 7)]
    assert [kept.number for kept, _ in state.refused] == [first, numbers[3]]
    assert [kept.number for kept in state.held_back] == [numbers[0], numbers[1], numbers[5]]
    assert [put.number for put in state.put] == [numbers[2], numbers[4]]
    assert await _acted(quiet_installation.engine) == [numbers[2], numbers[4]], "nothing else counts as redriven"
    records = await on_topic(quiet_installation)
    assert [(record.value, record.partition) for record in records] == [(b"said 3", 0), (b"said 5", 0)]
    for record in records:
        assert [name for name, _ in record.headers] == ["a", REDRIVE_HEADER]
        assert len(dict(record.headers)[REDRIVE_HEADER]) == 32


async def test_what_cannot_be_opened_ends_a_redrive_and_what_was_not_sent_waits(
    quiet_installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = quiet_installation.settings
    sealed = replace(_dead(settings.topic(Topic.ADMIN_COMMANDS), 0, "acme"), is_private=True)
    first, *others = (_dead(settings.topic(Topic.PROJECTS), offset, "globex") for offset in (1, 2, 3))
    numbers = await _keep(quiet_installation, [first, sealed, *others], _GONE)
    choice, state = Choice(numbers=((numbers[1], numbers[3]),)), Redriving()
    with pytest.raises(Unopenable):
        await redrive(settings, choice, by="ada", again=False, rate=3, state=state)
    assert (state.put, await on_topic(quiet_installation)) == ([], [])
    assert await _acted(quiet_installation.engine) == []
    monkeypatch.setattr(redriving, "_AT_ONCE", 1)
    told = (await whopays_of(quiet_installation)("dead-letters", "redrive", "--all")).expect(1)
    assert told.out.startswith("1 record was put on the topic again")
    assert await _acted(quiet_installation.engine) == numbers[:1]


async def test_where_nothing_is_chosen_no_broker_is_asked_and_one_redrives_at_a_time(engine: AsyncEngine) -> None:
    url = engine.url.render_as_string(hide_password=False)
    settings = Settings(database_url=url, kafka_bootstrap_servers="127.0.0.1:1")
    state = Redriving()
    await redrive(settings, Choice(), by="ada", again=False, rate=None, state=state)
    assert (state.chosen, state.done) == ([], 0)
    async with _alone(engine), engine.connect() as other:
        assert set((await other.execute(_OTHERS)).scalars()) <= {"idle"}, "no transaction is open for so long"
        with pytest.raises(AnotherRedrives):
            await redrive(settings, Choice(), by="bob", again=False, rate=None, state=state)
