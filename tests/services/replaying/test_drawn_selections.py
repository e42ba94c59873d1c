"""Whatever is selected, what a replay reads is the log filtered by it, in order; also where the log has lost its past.

The log is that of an installation, copied into a database of its own, where it goes over the end of a partition.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db import history
from db.archive.catalog import next_due
from db.archive.reading import History
from db.archive.writing import archive_partition
from db.log import PARTITION_POSITIONS
from schemas.instants import format_instant, parse_instant
from schemas.replays import BadSelection, selection_of
from tests.services.replaying import reference
from tests.services.replaying.copying import copied
from tests.services.replaying.reference import Logged
from tests.services.replaying.telling import ORGANIZATIONS
from tests.support.installations import Installation
from workers.replaying import beginning, reading, snapshot
from workers.replaying.beginning import ReplayRequest, plan
from workers.replaying.reading import selected
from workers.replaying.refusal import ReplayRefused
from workers.runtime.archive import archive_of

_MOST_EXAMPLES = 40
_MICROSECOND = timedelta(microseconds=1)
_TYPES = sorted({*reference.DEFAULT, "DeadLetter"})

Check = Callable[[dict[str, Any], float], Coroutine[Any, Any, None]]


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have everything read in many steps, and snapshots use files."""
    for module, name in (
        (reading, "_FEWEST_OF_SHARD"), (reading, "_MOST_OF_SHARD"), (reading, "_SNAPSHOT_ROWS"), (history, "_FURTHEST"),
        (snapshot, "_HELD_SUBJECTS"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, 3)


async def test_what_is_read_is_the_log_filtered(told: Installation, engine: AsyncEngine) -> None:
    log = await copied(told, engine)
    await _for_all(log, _reading(told, engine, log))


async def test_what_is_gone_is_told_of(told: Installation, engine: AsyncEngine) -> None:
    """A partition is dropped, and of one shard the first rows of the next, too."""
    log = await copied(told, engine)
    shard = max(log, key=lambda row: row.position).shard
    async with engine.begin() as connection:
        await connection.execute(text("DROP TABLE log_p0"))
        gone = text("DELETE FROM log WHERE shard = :shard AND position < :first + 2")
        await connection.execute(gone, {"shard": shard, "first": PARTITION_POSITIONS})
    kept = [row for row in log if row.position >= PARTITION_POSITIONS + (2 if row.shard == shard else 0)]
    assert 0 < len(kept) < len(log)
    firsts = {row.shard: row for row in reversed(kept)}
    homes = {row.event["data"]["organization"]: row.shard for row in log if row.type == "BindingChanged"}

    async def check(selection: dict[str, Any], _: float) -> None:
        found = await _read(told, engine, selection)
        if isinstance(found, str):
            return
        rows, until, available_from = found
        assert rows == _filtered(kept, selection, until), selection
        refused = await _read(told, engine, selection, is_available_enough=False)
        assert (available_from is None) is not isinstance(refused, str), selection
        assert "archive" not in str(refused)
        if available_from is not None and "organization" in selection:
            # What other shards have lost does not matter.
            assert available_from == _later(firsts[homes[selection["organization"]]].event["time"]), selection
        if selection.get("latest"):
            return
        missing = {row for row in _filtered(log, selection, until) if row not in rows}
        times = {(row.shard, row.position): row.event["time"] for row in log}
        assert all(available_from is not None and times[row] < available_from for row in missing), selection
        if available_from is not None and available_from < until:
            assert available_from in str(refused)
            from_there = await _read(told, engine, {**selection, "from_": available_from}, is_available_enough=False)
            assert not isinstance(from_there, str), from_there
            assert from_there[0] == _filtered(log, {**selection, "from_": available_from}, until), selection

    await _for_all(log, check)
    await _find_the_border(told, engine, firsts[shard])


async def _find_the_border(told: Installation, engine: AsyncEngine, first: Logged) -> None:
    """Of a shard whose first row that is kept is this, only what reaches further back is refused."""
    shard, instant = first.shard, first.event["time"]
    whole: dict[str, Any] = {"after": [f"{shard}-0"]}

    async def is_refused(selection: dict[str, Any]) -> bool:
        return isinstance(await _read(told, engine, selection, is_available_enough=False), str)

    for more in (-3, -2, -1, 0, 1):
        assert await is_refused({"after": [f"{shard}-{first.position + more}"]}) is (more < -1), more
    # Others of the same instant may be gone.
    assert await is_refused({**whole, "from_": instant})
    assert not await is_refused({**whole, "from_": _later(instant)})
    for begins_after in (first.position - 2, first.position - 1):
        async with engine.begin() as connection:
            moved = text("UPDATE shards SET begins_after = :begins_after WHERE shard = :shard")
            await connection.execute(moved, {"begins_after": begins_after, "shard": shard})
        assert await is_refused(whole) is (begins_after < first.position - 1)


async def test_what_is_archived_is_read_likewise(told: Installation, engine: AsyncEngine, tmp_path: Path) -> None:
    log = await copied(told, engine)
    there = replace(told, settings=told.settings.model_copy(update={"archive_url": SecretStr(str(tmp_path))}))
    rows = await _archive(there, engine)
    assert 0 < len(rows) < len(log)
    await _for_all(log, _reading(there, engine, log))
    refused = await _read(told, engine, {}, is_available_enough=False)
    assert str(refused).endswith(" More is in the archive: WHOPAYS_ARCHIVE_URL must say where.")


async def _archive(there: Installation, engine: AsyncEngine) -> list[tuple[int, int]]:
    """Archive what may be; return the places that are no longer in the table."""
    store = archive_of(there.settings)
    assert store is not None
    before = set(await _places(engine))
    async with engine.connect() as connection:
        due = await next_due(connection, datetime.max.replace(tzinfo=UTC))
    assert due is not None
    async for _ in archive_partition(engine, store, "drawn", due):
        pass
    return sorted(before - set(await _places(engine)))


async def _places(engine: AsyncEngine) -> list[tuple[int, int]]:
    async with engine.connect() as connection:
        return [(row.shard, row.position) for row in await connection.execute(text("SELECT shard, position FROM log"))]


async def test_only_what_is_published_is_replayed(
    told: Installation, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shard of which the relay has not published the last events ends every replay before them."""
    monkeypatch.setattr(beginning, "_LONGEST_WAIT_SECONDS", 0.0)
    log = await copied(told, engine)
    shard = max(log, key=lambda row: row.position).shard
    *_, first_left, _ = (row for row in log if row.shard == shard)
    async with engine.begin() as connection:
        held_up = text("UPDATE published SET position = :position WHERE shard = :shard")
        await connection.execute(held_up, {"shard": shard, "position": first_left.position - 1})
    end = first_left.event["time"]
    for selection in ({}, {"organization": "acme"}, {"latest": True}, {"until": end}, {"types": ["DeadLetter"]}):
        found = await _read(told, engine, selection)
        assert found[:2] == (_filtered(log, selection, end), end), selection
    assert "is the relay running" in str(await _read(told, engine, {"until": _later(end)}))
    assert "Nothing can match" in str(await _read(told, engine, {"from_": end}))


def _reading(told: Installation, engine: AsyncEngine, log: list[Logged]) -> Check:
    """Return what checks that a selection reads the log filtered by it, and what is left of it after a part."""

    async def check(selection: dict[str, Any], cut: float) -> None:
        found = await _read(told, engine, selection)
        if isinstance(found, str):
            # It can match nothing.
            assert _filtered(log, selection, None) == [], (selection, found)
            return
        wanted = _filtered(log, selection, found[1])
        assert found[0] == wanted, selection
        begun = int(cut * len(wanted))
        if begun:
            left = await _read(told, engine, selection, dict(wanted[:begun]))
            assert left == (wanted[begun:], *found[1:]), selection

    return check


async def _read(
    told: Installation,
    engine: AsyncEngine,
    said: Mapping[str, Any],
    done: Mapping[int, int] | None = None,
    *,
    is_available_enough: bool = True,
) -> tuple[list[tuple[int, int]], str, str | None] | str:
    """Return the places of what a replay reads, its end, and since when all is there; or why it is refused."""
    try:
        asked = ReplayRequest("drawn", selection_of(**said))
        replay = await plan(
            engine, told.settings, replace(asked, is_available_enough=True) if is_available_enough else asked
        )
    except (BadSelection, ReplayRefused) as refused:
        return str(refused)
    rows: list[tuple[int, int]] = []
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        history = History(connection, archive_of(told.settings))
        async for some in selected(history, replay, done or {}, lambda *_: None):
            rows += [(row.shard, row.position) for row in some]
    available_from = replay.available_from
    return rows, format_instant(replay.until), None if available_from is None else format_instant(available_from)


def _filtered(log: list[Logged], said: Mapping[str, Any], until: str | None) -> list[tuple[int, int]]:
    if said.get("organization") and "DeadLetter" in said.get("types", ()):
        return []
    (rows,) = reference.expected(log, 1, **{**said, "until": until or said.get("until") or "9"})
    return [(row.shard, row.position) for row in rows]


def _later(instant: str) -> str:
    return format_instant(parse_instant(instant) + _MICROSECOND)


async def _for_all(log: list[Logged], check: Check) -> None:
    """Check selections that are drawn from what the log holds; each with a share of its rows."""
    loop = asyncio.get_running_loop()

    @settings(max_examples=_MOST_EXAMPLES, deadline=None)
    @given(selection=_selections(log), cut=st.sampled_from((0.0, 0.3, 0.7)))
    def run(selection: dict[str, Any], cut: float) -> None:
        asyncio.run_coroutine_threadsafe(check(selection, cut), loop).result()

    await asyncio.to_thread(run)


def _selections(log: list[Logged]) -> st.SearchStrategy[dict[str, Any]]:
    moved = st.tuples(st.sampled_from(sorted({row.event["time"] for row in log})), st.sampled_from((-1, 0, 1)))
    instants = moved.map(lambda one: format_instant(parse_instant(one[0]) + one[1] * _MICROSECOND))
    last = {row.shard: row.position for row in log}
    after = st.dictionaries(st.sampled_from(sorted(last)), st.integers(0, 12), min_size=1).map(
        lambda places: [f"{shard}-{last[shard] - back}" for shard, back in places.items()]
    )
    anything: dict[str, st.SearchStrategy[Any]] = {
        "types": st.lists(st.sampled_from(_TYPES), min_size=1, max_size=3, unique=True),
        "until": instants,
    }
    of_organization: dict[str, st.SearchStrategy[Any]] = {
        "project": st.sampled_from(("web", "shop")),
        "account": st.sampled_from(("main", "spare")),
    }
    whole = {"latest": st.just(True)}
    parts: dict[str, st.SearchStrategy[Any]] = {"from_": instants, "after": after}
    organizations = {"organization": st.sampled_from(ORGANIZATIONS)}
    return st.one_of(
        *(
            st.fixed_dictionaries({}, optional={**anything, **more})
            for more in (whole, parts)
        ),
        *(
            st.fixed_dictionaries(organizations, optional={**anything, **of_organization, **more})
            for more in (whole, parts)
        ),
    )  # fmt: skip
