"""Which rows of a partition go to the archive, and that those alone leave the table: every state of a shard at once."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import SecretStr
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.archive import catalog
from db.archive.catalog import Due, Part, next_due, parts_beyond, parts_of, take_out
from db.engine import create_engine
from db.log import append
from db.tables.of_the_archive import archived_log
from tests.services.archive.small import rows_in_table, shrink
from workers.archiving import Archiving, NotAllowedToArchive
from workers.runtime.metrics import Metrics
from workers.runtime.settings import Settings

_BEFORE = datetime(2026, 3, 1, tzinfo=UTC)
_LONG_AGO = _BEFORE - timedelta(days=9)
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class _Shard:
    """Which positions a shard has rows at, how far it is published; and what of partition 1 (4 to 7) should go."""

    rows: tuple[int, ...]
    published: int
    goes: tuple[int, int, bytes | None] | None = None
    is_archived: bool = True
    is_closed: bool = False
    last_at: datetime = _LONG_AGO
    left: int = 0
    """How many of its rows stay in the partition."""


_SHARDS = {
    "whole": _Shard((4, 5, 6, 7, 8), 8, (3, 7, b"h3"), last_at=_BEFORE - _TICK),
    "the next row is not published": _Shard((4, 5, 6, 7, 8), 7, left=4),
    "ends with the partition": _Shard((4, 5, 6, 7), 7, left=4),
    "closed where the partition ends": _Shard((4, 5, 6, 7), 7, (3, 7, b"h3"), is_closed=True),
    "closed before": _Shard((4, 5), 5, (3, 5, b"h3"), is_closed=True, last_at=_BEFORE - _TICK),
    "closed before, and too recent": _Shard((4, 5), 5, is_closed=True, last_at=_BEFORE, left=2),
    "closed at the first position, and too recent": _Shard((4,), 4, is_closed=True, last_at=_BEFORE, left=1),
    "closed, not published": _Shard((4, 5, 6), 5, is_closed=True, left=3),
    "closed beyond, not published beyond": _Shard((4, 5, 6, 7, 8, 9), 7, is_closed=True, left=4),
    "too recent": _Shard((4, 5, 6, 7, 8), 8, last_at=_BEFORE, left=4),
    "begins later": _Shard((8, 9), 9),
    "rows of before are there": _Shard((2, 3, 4, 5, 6, 7, 8), 8, is_archived=False, left=4),
    "the rows of before are lost": _Shard((6, 7, 8), 8, (5, 7, None), is_archived=False),
    "one row is left": _Shard((7, 8), 8, (6, 7, None), is_archived=False),
    "not as far": _Shard((4, 5, 6), 6, left=3),
    "of the first partition": _Shard((1, 2, 3, 4), 4, is_archived=False, left=1),
    "nothing said": _Shard((), 0, is_archived=False),
}
_NUMBERS = {name: number for number, name in enumerate(_SHARDS)}
_GO = {_NUMBERS[name]: one.goes for name, one in _SHARDS.items() if one.goes is not None}
_LEFT = sum(one.left for one in _SHARDS.values())


@pytest_asyncio.fixture
async def connection(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection to a database with all these shards."""
    await shrink(engine, 3)
    rows, archived = [], []
    async with engine.begin() as connection:
        for name, one in _SHARDS.items():
            shard = _NUMBERS[name]
            last = 7 if 7 in one.rows else max(one.rows, default=0)
            rows += [
                (shard, at, one.last_at if at == last else _LONG_AGO, "t", None, b"", b"h%d" % at, None, None)
                for at in one.rows
            ]
            if one.is_archived:
                archived += [_part(shard, 1, 2), _part(shard, 3, 3)]
            head = max(one.rows, default=0)
            values = {"shard": shard, "head": head, "published": one.published, "closed": one.is_closed}
            await connection.execute(_HEAD, values)
            await connection.execute(text("INSERT INTO published VALUES (:shard, :published)"), values)
        await append(connection, rows)
        await connection.execute(insert(archived_log), [_values(part) for part in archived])
    async with engine.connect() as connection:
        yield connection
        await connection.rollback()


def _part(shard: int, first: int, last: int) -> Part:
    return Part(
        shard,
        first,
        last,
        _LONG_AGO,
        _LONG_AGO,
        None,
        b"h%d" % last,
        f"file-{shard}-{last}",
        9,
        b"s",
        1,
        b"i",
        "m",
        b"d",
    )


def _values(part: Part) -> dict[str, object]:
    return {name: getattr(part, name) for name in Part.__slots__}


async def test_what_may_go(connection: AsyncConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "MOST_LEFT", _LEFT)
    assert await next_due(connection, _BEFORE, beyond=0) == Due(1, _GO)
    first = {_NUMBERS["rows of before are there"]: (1, 3, None), _NUMBERS["of the first partition"]: (0, 3, b"")}
    assert await next_due(connection, _BEFORE) == Due(0, first)
    assert await next_due(connection, _BEFORE, beyond=1) is None
    monkeypatch.setattr(catalog, "MOST_LEFT", _LEFT - 1)
    assert await next_due(connection, _BEFORE, beyond=0) is None, "too many rows would stay"


async def test_what_is_noted_comes_in_order(connection: AsyncConnection) -> None:
    every = await parts_of(connection)
    assert sorted(every) == [_NUMBERS[name] for name, one in _SHARDS.items() if one.is_archived]
    assert all(parts == [_part(shard, 1, 2), _part(shard, 3, 3)] for shard, parts in every.items())
    assert [part.rows for part in every[0]] == [2, 1]
    assert await parts_beyond(connection, 1, 0) == every[1]
    assert await parts_beyond(connection, 1, 2) == every[1][1:]
    assert await parts_beyond(connection, 1, 3) == []


async def test_what_goes_leaves_the_table_and_nothing_else(engine: AsyncEngine, connection: AsyncConnection) -> None:
    before = await rows_in_table(engine)
    parts = [_part(shard, after + 1, last) for shard, (after, last, _) in _GO.items()]
    async with engine.begin() as taking:
        await take_out(taking, 1, parts)
    gone = {(part.shard, at) for part in parts for at in range(part.first_position, part.last_position + 1)}
    assert await rows_in_table(engine) == before - gone
    noted = await parts_of(connection)
    assert [noted[part.shard][-1] for part in parts] == parts


async def test_the_database_refuses_what_may_not_go(connection: AsyncConnection) -> None:
    moved = text("UPDATE published SET position = :position WHERE shard = :shard")
    for name, words, changed, published in _REFUSED:
        after, last, _ = _SHARDS[name].goes or (3, 7, None)
        part = replace(_part(_NUMBERS[name], after + 1, last), **changed)  # type: ignore[arg-type]
        if published is not None:
            await connection.execute(moved, {"position": published, "shard": part.shard})
        with pytest.raises(DBAPIError, match=words):
            await take_out(connection, 1, [part])
        await connection.rollback()


async def test_only_what_is_old_goes_and_only_where_that_is_wanted_and_allowed(
    engine: AsyncEngine, connection: AsyncConnection, tmp_path: Path
) -> None:
    assert await next_due(connection, _BEFORE) is not None
    place = SecretStr(str(tmp_path))
    reader = create_engine(engine.url.render_as_string(hide_password=False), session={"role": "pg_read_all_data"})
    try:
        for settings in (Settings(), Settings(archive_url=place, archive_after_days=36_500)):
            assert await Archiving(reader, settings, Metrics()).step() is False
        with pytest.raises(NotAllowedToArchive, match="this role of the database may not archive"):
            await Archiving(reader, Settings(archive_url=place), Metrics()).step()
    finally:
        await reader.dispose()


_HEAD = text(
    """
    UPDATE shards SET position = :head, closed_at = CASE WHEN CAST(:closed AS boolean) THEN now() END
    WHERE shard = :shard
    """
)
_REFUSED: tuple[tuple[str, str, dict[str, object], int | None], ...] = (
    ("whole", "goes on at 4", {"first_position": 5}, None),
    ("whole", "goes on at 4", {"first_position": 3}, None),
    ("whole", "is not what log_p1 holds", {"last_position": 6, "last_hash": b"h6"}, None),
    ("whole", "does not end with the row", {"last_hash": b"h6"}, None),
    ("whole", "is not published beyond", {}, 7),
    ("closed before", "is not what log_p1 holds", {"last_position": 7}, None),
    ("closed before", "is not published beyond", {}, 4),
    ("closed where the partition ends", "is not published beyond", {}, 6),
    ("rows of before are there", "goes on at 2", {"first_position": 2}, None),
    ("ends with the partition", "is not published beyond", {}, None),
)
"""A shard, what is said, what of its part is otherwise than it should be, and how far it is published instead."""
