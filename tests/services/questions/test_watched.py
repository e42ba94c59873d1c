"""What a watch goes back to: accounts and their numbers of projects as they were at a position of the log."""

from collections import Counter
from typing import Any

import orjson
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.questions.resources import watched
from db.questions.resources.watched import (
    EarlierAccount,
    accounts_at,
    is_kept,
    linked_projects_at,
    positions,
    profile_kinds,
)
from tests.services.questions.story import RESULTS, SHARD, SHARDS, asking, day, said_at

_HEAD = 5 + len(RESULTS)
_CHANGES: tuple[tuple[str, str | None, str | None], ...] = (
    ("acme", "main", None), ("acme", "spare", "main"), ("globex", "main", None), ("acme", None, "spare"),
    ("acme", "closed", "spare"), ("acme", "main", "closed"),
)  # fmt: skip
"""Changes of payers that follow the story, one to a position: whose, and the account of now and that of before."""
_LINKED = {"main": 2, "spare": 2, "closed": 0, "a-new": 0}


async def test_positions_and_what_follows_them(told: AsyncEngine) -> None:
    async with told.connect() as connection:
        found = await positions(connection)
        assert (len(found), found[SHARD]) == (SHARDS, _HEAD)
        gone = text("DELETE FROM log WHERE shard = :shard AND position = 6")
        await connection.execute(gone, {"shard": SHARD})
        kept = [position for position in range(_HEAD + 1) if await is_kept(connection, SHARD, position)]
        assert kept == [position for position in range(_HEAD + 1) if position != 5]
        assert await is_kept(connection, (SHARD + 1) % SHARDS, 0)
        await connection.rollback()


async def test_an_account_is_what_its_last_event_of_state_said(told: AsyncEngine) -> None:
    async with asking(told) as (connection, _):
        values = await connection.execute(text("SELECT position, value FROM log WHERE topic = 'accounts' ORDER BY 1"))
        (*_, state) = [bytes(row.value) for row in values]
        assert orjson.loads(state)["type"] == "io.milo.billing.AccountChanged.v1"
        for position in range(_HEAD + 1):
            assert await accounts_at(connection, "acme", ["main", "unknown"], position) == {
                "main": EarlierAccount(state if position >= 4 else None, said_at(1))
            }
        assert await accounts_at(connection, "globex", ["main"], _HEAD) == {}


async def test_of_an_archived_account_its_phase_is_known_and_what_was_told_next(told: AsyncEngine) -> None:
    async with told.connect() as connection:
        values = await connection.execute(text("SELECT value FROM log WHERE topic = 'accounts' ORDER BY position"))
        (*_, state) = [bytes(row.value) for row in values]
        gone = text("DELETE FROM log WHERE shard = :shard AND position <= 3")
        await connection.execute(gone, {"shard": SHARD})
        await connection.execute(text("ALTER TABLE account_phases DISABLE TRIGGER USER"))
        # Whether that is so is told by the place of its first phase, if it is known: of old ones it is not.
        for place in (1, None):
            placed = text("UPDATE account_phases SET position = :place WHERE account = 'main'")
            await connection.execute(placed, {"place": place})
            (before,) = (await accounts_at(connection, "acme", ["main"], 3)).values()
            assert before == EarlierAccount(None, said_at(1), before.phase, state)
            assert before.phase is not None
            now = EarlierAccount(state, said_at(1))
            assert await accounts_at(connection, "acme", ["main"], _HEAD) == {"main": now}
        await connection.rollback()


async def test_kinds_of_payment_profiles(told: AsyncEngine) -> None:
    async with asking(told) as (connection, _):
        assert await profile_kinds(connection, "acme", ["card", "unknown"]) == {"card": "CreditCard"}
        assert await profile_kinds(connection, "globex", ["card"]) == {}


async def test_projects_are_counted_back(told: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "_COUNTED_AT_ONCE", 2)
    async with told.connect() as connection:
        for position, (organization, current, previous) in enumerate(_CHANGES, _HEAD + 1):
            data = {side: name and {"account": name} for side, name in (("current", current), ("previous", previous))}
            await _say(connection, position, "bindings", organization, f"{organization}/web", {"data": data})
        last = _HEAD + len(_CHANGES) + 1
        await _say(connection, last, "accounts", "acme", "acme/a-new", {"data": {"current": {"account": "spare"}}})
        for position in range(_HEAD, last + 1):
            for until in range(position, last + 1):
                assert await linked_projects_at(connection, "acme", position, until) == _linked(position, until)
        await connection.rollback()


def _linked(position: int, until: int) -> dict[str, int]:
    """Return how many projects the accounts had that the events in between are about."""
    gained: Counter[str] = Counter()
    for organization, current, previous in _CHANGES[position - _HEAD : until - _HEAD]:
        for name, more in ((current, 1), (previous, -1)):
            if organization == "acme" and name is not None:
                gained[name] += more
    if until > max(position, _HEAD + len(_CHANGES)):
        gained["a-new"] += 0
    return {name: _LINKED[name] - gained[name] for name in gained}


async def _say(
    connection: AsyncConnection, position: int, topic: str, organization: str, key: str, value: dict[str, Any]
) -> None:
    row = text("INSERT INTO log VALUES (:shard, :position, :at, :topic, :key, :value, '', :boundary)")
    values = {"position": position, "at": day(6), "topic": topic, "key": key.encode(), "value": orjson.dumps(value)}
    await connection.execute(row, {**values, "shard": SHARD, "boundary": organization})
