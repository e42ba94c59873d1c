"""Workers that remember decide like those that load everything each time, also when several write in turn."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db import load
from schemas.facts import PaymentProfileChanged, ProjectChanged
from schemas.parsing import read_command, read_fact
from schemas.policy import OperatorPolicy
from schemas.records import Record
from tests.support.batches import batches, records
from tests.support.messages import account, bind, profile, project
from tests.support.model.said import Said
from tests.support.model.stories import Story
from tests.support.telling import tell, told
from workers.runtime.roles import Role

_LIMIT = 1_000_000
_PROJECTS = (Role.PROJECTS, partial(read_fact, model=ProjectChanged, max_value_bytes=_LIMIT))
_PROFILES = (Role.PAYMENT_PROFILES, partial(read_fact, model=PaymentProfileChanged, max_value_bytes=_LIMIT))
_COMMANDS = (Role.ADMIN_COMMANDS, partial(read_command, max_value_bytes=_LIMIT, policy=OperatorPolicy()))
_NEVER_SECONDS = 1800


async def _rows(engine: AsyncEngine, statement: str) -> list[Any]:
    async with engine.connect() as connection:
        return list((await connection.execute(text(statement))).all())


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The statements by which batches load what they need to know."""
    statements: list[Any] = []

    async def fetch(connection: Any, statement: Any, /, **values: Any) -> Any:
        statements.append(statement)
        return await fetched(connection, statement, **values)

    fetched = load.fetch  # type: ignore[attr-defined]  # imported there
    monkeypatch.setattr(load, "fetch", fetch)
    return statements


async def test_what_is_remembered_is_not_loaded_again(engine: AsyncEngine, asked: list[Any]) -> None:
    settling = batches(engine)
    await settling.process(*_of(_PROFILES, profile("acme")))
    await settling.process(*_of(_PROJECTS, project("acme", "web")))
    await settling.process(*_of(_COMMANDS, account("acme", "a"), account("acme", "b")))
    asked.clear()
    await settling.process(*_of(_COMMANDS, bind("acme", "web", "a", "c1"), offset=2))
    await settling.process(*_of(_COMMANDS, bind("acme", "web", "b", "c2"), offset=3))
    assert set(asked) <= {load._CLAIMED, load._HANDLED}
    payers = await _rows(engine, "SELECT account FROM bindings ORDER BY number")
    assert [row.account for row in payers] == ["a", "b"]


async def test_ids_are_looked_up_in_the_first_twelve_batches(engine: AsyncEngine, asked: list[Any]) -> None:
    """Records may have been read before; where none was, others are taken for new."""
    settling, are_looked_up = batches(engine), []
    for number in range(14):
        asked.clear()
        await settling.process(*_of(_COMMANDS, account("acme", f"a{number}"), offset=number))
        are_looked_up.append(load._CLAIMED in asked)
    assert are_looked_up == [True] * 12 + [False] * 2


def _of(how: tuple[Role, Any], *said: Any, offset: int = 0) -> tuple[Role, list[Record], Any]:
    return how[0], records(*said, offset=offset), how[1]


async def test_another_writer_is_noticed_though_it_said_nothing(engine: AsyncEngine) -> None:
    """A newer version of a fact that changes nothing causes no event, yet older ones are stale from then on."""
    here, elsewhere = batches(engine), batches(engine)
    for number, (settling, version) in enumerate(((here, 1), (elsewhere, 5), (here, 3))):
        said = project("acme", "web", version, displayName=f"in {version}")
        await settling.process(*_of(_PROJECTS, said, offset=number))
    (found,) = await _rows(engine, "SELECT version, display_name FROM projects")
    assert tuple(found) == (5, "in 5")
    assert len(await _rows(engine, "SELECT * FROM log")) == 1, "the notice that nobody pays"


async def test_ids_that_were_claimed_are_found_out_by_who_does_not_ask(engine: AsyncEngine) -> None:
    settling = batches(engine)
    await settling.process(*_of(_PROFILES, profile("acme")))
    await settling.process(*_of(_PROJECTS, project("acme", "web")))
    await settling.process(*_of(_COMMANDS, account("acme", "a"), account("acme", "b")))
    await settling.process(*_of(_COMMANDS, bind("acme", "web", "a", "c1"), offset=2))
    before = await _rows(engine, "SELECT * FROM log ORDER BY shard, position")
    for wary in (0, 1):
        settling._wary_batches = wary
        repeated = (bind("acme", "web", "a", "c1"), account("acme", "a"))
        await settling.process(*_of(_COMMANDS, *repeated, offset=10))
        assert await _rows(engine, "SELECT * FROM log ORDER BY shard, position") == before
        assert settling._wary_batches > 1, "where one id was known others may be"
    settling._wary_batches = 0
    await settling.process(*_of(_COMMANDS, bind("acme", "web", "b", "c1"), offset=20))
    (last,) = await _rows(
        engine, "SELECT value FROM log WHERE topic = 'command-results' ORDER BY position DESC LIMIT 1"
    )
    assert [rule["reason"] for rule in json.loads(last.value)["data"]["violations"]] == ["CommandIdReused"]


@pytest.mark.parametrize("seed", range(6))
async def test_stories_told_to_writers_in_turn(engine: AsyncEngine, seed: int) -> None:
    """Three that remember, and one that remembers next to nothing, decide like one that loads everything each time."""
    in_turn = [*(batches(engine) for _ in range(3)), batches(engine, remembered_records=2)]
    alone = batches(engine, remembered_records=0)
    turns, now = Random(seed), datetime.now(UTC) + timedelta(seconds=1)
    for one, other in zip(_story("acme", seed, now), _story("globex", seed, now), strict=True):
        await tell(turns.choice(in_turn), [one])
        await tell(alone, [other])
    in_turns = await told(engine, "acme")
    assert len(in_turns) > 60
    assert in_turns == await told(engine, "globex")


def _story(organization: str, seed: int, now: datetime) -> Sequence[Said]:
    story = Story(Random(seed), organization, seconds_ahead=(_NEVER_SECONDS,), settled_ahead=240.5)
    said = story.prologue()
    for _ in range(12):
        said += [*story.scene(now), story.command(now), story.project_fact(), story.profile_fact(now)]
    return said
