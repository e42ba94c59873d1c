"""Replays as they are kept: what is done with one touches no other, and those that are asked for are those meant."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.replays import (
    KeptReplay,
    TargetTaken,
    conclude_replay,
    fail_replay,
    find_replay,
    forget_target,
    give_up_replay,
    go_on_with_replay,
    keep_replay,
    list_replays,
    note_replay,
    note_target,
    owner_of_replay,
    replay_into,
    stop_replay,
    take_replay,
    waiting_replays,
)
from schemas.replays import Manifest, ReplayState, Selection, selection_of

_NOON = datetime(2027, 1, 31, 12, tzinfo=UTC)
_HOUR = 3600.0


def _replay(name: str, selection: Selection | None = None) -> KeptReplay:
    return KeptReplay(
        name=name, selection=selection or Selection(), target=f"into.{name}", target_id=None, partitions=1,
        asked_partitions=None, until=_NOON, available_from=None, spans={0: (10, 1_010), 1: (5, 10)}, rate=7,
        is_detached=False, state=ReplayState.RUNNING, trouble=None, owner=None, is_leased=False, records=0,
        looked_at=0, begun_at=_NOON, forgotten_at=None, manifest=None,
    )  # fmt: skip


def _manifest(name: str) -> Manifest:
    return Manifest(
        name=name, state=ReplayState.DONE, selection=Selection(), target=f"into.{name}", until=_NOON,
        available_from=None, begun_at=_NOON, finished_at=_NOON, records=3, types={}, partitions=(), shards=(),
    )  # fmt: skip


async def _all(connection: AsyncConnection) -> dict[str, dict[str, Any]]:
    rows = await connection.execute(text("SELECT * FROM replays"))
    return {row.name: dict(row._mapping) for row in rows}


async def _keep(connection: AsyncConnection) -> None:
    """Keep replays of every state; two are worked on, by the same process."""
    for name in ("one", "two", "stopped", "failed", "done", "gone", "free"):
        assert await note_replay(connection, _replay(name))
    for name in ("one", "two"):
        assert await take_replay(connection, name, "me", _HOUR) == (ReplayState.RUNNING, 7)
    assert await take_replay(connection, "failed", "me", _HOUR)
    await fail_replay(connection, "failed", "me", "no broker")
    await stop_replay(connection, "stopped")
    for name in ("done", "gone"):
        await conclude_replay(connection, _manifest(name))
    await forget_target(connection, "gone")


_DONE_WITH_ONE: dict[str, tuple[Any, set[str]]] = {
    "its topic is known": (lambda connection: note_target(connection, "one", UUID(int=1)), {"target_id"}),
    "its lease is renewed": (
        lambda connection: keep_replay(connection, "one", "me", 2 * _HOUR, 5, 6), {"expires_at", "records", "looked_at"}
    ),
    "its lease is given up": (lambda connection: give_up_replay(connection, "one", "me"), {"expires_at", "owner"}),
    "it is stopped": (lambda connection: stop_replay(connection, "one"), {"state"}),
    "it goes on": (
        lambda connection: go_on_with_replay(connection, "one", 9, is_detached=True), {"rate", "is_detached"}
    ),
    "it fails": (lambda connection: fail_replay(connection, "one", "me", "full"), {"state", "trouble"}),
    "it is done": (
        lambda connection: conclude_replay(connection, _manifest("one")),
        {"state", "manifest", "records", "owner", "expires_at"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", _DONE_WITH_ONE)
async def test_what_is_done_with_one_touches_no_other(engine: AsyncEngine, what: str) -> None:
    act, members = _DONE_WITH_ONE[what]
    async with engine.connect() as connection:
        await _keep(connection)
        before = await _all(connection)
        await act(connection)
        after = await _all(connection)
        changed = {
            (name, member) for name, row in before.items() for member in row if row[member] != after[name][member]
        }
        assert changed == {("one", member) for member in members}


async def test_what_does_not_concern_a_replay_leaves_it_alone(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await _keep(connection)
        before = await _all(connection)
        assert await take_replay(connection, "one", "other", _HOUR) is None
        assert await keep_replay(connection, "one", "other", _HOUR, 9, 9) is None
        await give_up_replay(connection, "one", "other")
        await fail_replay(connection, "one", "other", "no broker")
        await fail_replay(connection, "done", "me", "too late")
        for name in ("stopped", "failed", "done"):
            await stop_replay(connection, name)
        for name in ("done", "gone"):
            await go_on_with_replay(connection, name, 9, is_detached=True)
            await conclude_replay(connection, _manifest(name))
        await forget_target(connection, "gone")
        assert await note_replay(connection, _replay("one")) is False
        assert await _all(connection) == before
        await forget_target(connection, "done")
        assert {name for name, row in (await _all(connection)).items() if row["forgotten_at"]} == {"done", "gone"}


async def test_who_works_on_a_replay(engine: AsyncEngine) -> None:
    moved = text("UPDATE replays SET expires_at = clock_timestamp() + make_interval(secs => :seconds)")
    async with engine.connect() as connection:
        await _keep(connection)
        for seconds, is_free in ((-1, True), (3000, False), (4000, True)):
            assert await take_replay(connection, "one", "me", _HOUR) == (ReplayState.RUNNING, 7), "its owner renews it"
            assert await owner_of_replay(connection, "one") == "me"
            await connection.execute(moved, {"seconds": seconds})
            assert (await take_replay(connection, "one", "other", _HOUR) is not None) is is_free, seconds
            await give_up_replay(connection, "one", "other")
        assert await take_replay(connection, "one", "me", -1.0)
        assert await keep_replay(connection, "one", "me", _HOUR, 0, 0) == (ReplayState.RUNNING, 7)
        assert await take_replay(connection, "one", "other", _HOUR) is None
        await give_up_replay(connection, "one", "me")
        assert await owner_of_replay(connection, "one") is None
        assert await take_replay(connection, "stopped", "me", _HOUR) == (ReplayState.STOPPED, 7)


async def test_which_replays_wait_for_somebody(engine: AsyncEngine) -> None:
    """Those that nobody works on and that run: of those in the foreground only what was left by who died."""
    leave = text("UPDATE replays SET expires_at = clock_timestamp() - interval '1 s' WHERE name = :name")
    async with engine.connect() as connection:
        await _keep(connection)
        assert await waiting_replays(connection) == []
        for name in ("two", "failed"):
            await connection.execute(leave, {"name": name})
        assert await waiting_replays(connection) == ["two"]
        for name in ("one", "free", "stopped"):
            await connection.execute(text("UPDATE replays SET is_detached = true WHERE name = :name"), {"name": name})
        assert await waiting_replays(connection) == ["two", "free"]
        await connection.execute(text("UPDATE replays SET begun_at = begun_at - interval '1 h' WHERE name = 'free'"))
        assert await waiting_replays(connection) == ["free", "two"]


async def test_replays_are_listed_newest_first_and_page_by_page(engine: AsyncEngine) -> None:
    begun = text("UPDATE replays SET begun_at = :at WHERE name = :name")
    async with engine.connect() as connection:
        for name, organization, hour in (("a", "acme", 1), ("b", None, 2), ("c", "globex", 2), ("d", "acme", 2)):
            await note_replay(connection, _replay(name, selection_of(organization=organization)))
            await connection.execute(begun, {"name": name, "at": _NOON.replace(hour=hour)})
        every = await list_replays(connection)
        assert [one.name for one in every] == ["d", "c", "b", "a"]
        assert [one.name for one in await list_replays(connection, limit=2)] == ["d", "c"]
        for place, one in enumerate(every):
            assert await list_replays(connection, before=(one.begun_at, one.name)) == every[place + 1 :]
        for within, names in ((["acme"], ["d", "a"]), (["globex", "acme"], ["d", "c", "a"]), (["none"], []), ([], [])):
            assert [one.name for one in await list_replays(connection, within=within)] == names
        assert await find_replay(connection, "c") == every[1]
        assert await find_replay(connection, "none") is None
        assert (every[0].to_look_at, every[0].spans) == (1_005, {0: (10, 1_010), 1: (5, 10)})


async def test_a_topic_belongs_to_one_replay_until_it_is_removed(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await _keep(connection)
        assert await replay_into(connection, "into.done") == "done"
        assert await replay_into(connection, "into.gone") is None
        assert await replay_into(connection, "into.nothing") is None
        assert await note_replay(connection, replace(_replay("again"), target="into.gone"))
        with pytest.raises(TargetTaken, match=r"into\.done"):
            await note_replay(connection, replace(_replay("more"), target="into.done"))
        await connection.rollback()
        number: Any = None
        with pytest.raises(IntegrityError, match="partitions"):
            await note_replay(connection, replace(_replay("more"), partitions=number))
