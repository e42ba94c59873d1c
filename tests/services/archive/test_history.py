"""Whatever is asked of the log, and wherever a part of it is, the answer is what a list of its rows says."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.archive import files
from db.archive.reading import History
from db.archive.store import Store
from db.archive.trouble import ArchiveNotConfigured
from db.history import HistoryDamaged, HistoryRow, Keys
from db.log import append, row_hash
from db.placing import shard_of
from tests.services.archive.small import archive_next, shrink

_SHARDS = 48
_ACME = shard_of("acme", _SHARDS)
_TWINS = (name for name in map("twin-{}".format, count()) if shard_of(name, _SHARDS) == _ACME)
_TWIN, _UNSAID = next(_TWINS), next(_TWINS)
_GLOBEX = shard_of("globex", _SHARDS)
_SILENT = next(shard for shard in range(_SHARDS) if shard not in (_ACME, _GLOBEX))
_TICK = timedelta(microseconds=1)
_NEVER = datetime.min.replace(tzinfo=UTC)
_TOPICS = ("bindings", "notices", "command-results")
_KEYS = (
    Keys(_TOPICS),
    Keys(("notices", "dead-letters")),
    Keys(_TOPICS, "acme"),
    Keys(_TOPICS, _TWIN),
    Keys(("bindings",), "acme", b"acme/web"),
    Keys(_TOPICS, _UNSAID),
    Keys(_TOPICS, None, b"acme/api"),
)
_EVERY = Keys((*_TOPICS, "dead-letters"))
_UNTIL = (1, 3, 6, 11, 12, 14, 22)


def _at(position: int) -> datetime:
    """Return the instant of a row: two at a time have the same."""
    return datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=position // 2)


def _said(shard: int, position: int) -> tuple[HistoryRow, str | None]:
    """Return a row and its organization; of acme there is nothing at positions 4 to 7."""
    topic = (*_TOPICS, "bindings", "dead-letters")[position % 5]
    owner = "globex" if shard == _GLOBEX else _TWIN if 4 <= position <= 7 or position % 3 == 2 else "acme"
    boundary = None if topic == "dead-letters" else owner
    key = None if topic == "dead-letters" else f"{owner}/{('web', 'api')[position % 2]}".encode()
    return HistoryRow(shard, position, _at(position), topic, key, b'{"said":%d}' % position), boundary


_LOG = {
    shard: [_said(shard, position) for position in range(1, last + 1)] for shard, last in ((_ACME, 22), (_GLOBEX, 10))
}


def _wanted(shard: int, after: int, until: int, keys: Keys) -> list[HistoryRow]:
    return [
        row
        for row, boundary in _LOG[shard]
        if after < row.position <= until
        and row.topic in keys.topics
        and keys.boundary in (None, boundary)
        and keys.key in (None, row.key)
    ]


@pytest_asyncio.fixture
async def store(engine: AsyncEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The archive, in blocks of two rows: of the first shard it has positions 1 to 11, of the second 1 to 7."""
    monkeypatch.setattr(files, "BLOCK_BYTES", 200)
    await shrink(engine, 7)
    rows, heads = [], []
    for shard, said in _LOG.items():
        hash_ = b""
        for row, boundary in said:
            hash_ = row_hash(hash_, row.topic, row.key, row.value)
            rows.append((shard, row.position, row.recorded_at, row.topic, row.key, row.value, hash_, boundary, None))
        heads.append({"shard": shard, "position": len(said)})
    async with engine.begin() as connection:
        await append(connection, rows)
        await connection.execute(text("UPDATE shards SET position = :position WHERE shard = :shard"), heads)
        await connection.execute(text("INSERT INTO published (shard, position) VALUES (:shard, :position)"), heads)
    made = Store(str(tmp_path))
    for _ in range(3):
        assert await archive_next(engine, made, "history")
    return made


@asynccontextmanager
async def _reading(engine: AsyncEngine, store: Store | None) -> AsyncIterator[History]:
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        yield History(connection, store)


async def _reads_all(history: History, shard: int, untils: Iterable[int], first: int = 0) -> None:
    """From each position on, each page is what there is so far as it says that it was looked."""
    for keys in _KEYS:
        for until in untils:
            for after in range(first, until):
                for limit, more in ((2, {}), (9, {"byte_limit": 12})):
                    page = await history.rows_after(shard, after, until, keys, limit, **more)
                    assert after < page.reached <= until, (keys, after, until)
                    assert page.rows == _wanted(shard, after, page.reached, keys), (keys, after, until)
                subjects, reached = await history.subjects_after(shard, after, until, keys, 2)
                assert after < reached <= until, (keys, after, until)
                assert subjects == [
                    (row.position, row.topic, row.key)
                    for row in _wanted(shard, after, reached, keys)
                    if row.key is not None
                ], (keys, after, until)


async def _bisects(history: History, within: dict[int, tuple[int, int]]) -> None:
    for instant in (_at(position) + moved * _TICK for position in range(24) for moved in (-1, 0, 1)):
        expected = {
            shard: max((row.position for row in _earlier(shard, instant) if low < row.position <= high), default=low)
            for shard, (low, high) in within.items()
        }
        assert await history.last_before(instant, within) == expected, (instant, within)


def _earlier(shard: int, instant: datetime) -> list[HistoryRow]:
    return [row for row, _ in _LOG.get(shard, ()) if row.recorded_at < instant]


async def test_every_page_is_what_there_is(engine: AsyncEngine, store: Store) -> None:
    async with _reading(engine, store) as history:
        await _reads_all(history, _ACME, _UNTIL)
        await _reads_all(history, _GLOBEX, (7, 10))
        with pytest.raises(HistoryDamaged):
            await history.rows_after(_SILENT, 0, 1, _EVERY, 9)
        assert len(await history.first_kept()) == _SHARDS, "of what has nothing in the archive, too"


async def test_rows_at_positions_and_before_instants(engine: AsyncEngine, store: Store) -> None:
    async with _reading(engine, store) as history:
        for begin in (1, 2, 11, 12):
            for step in (1, 2, 5):
                places = list(range(begin, 23, step))
                assert await history.rows_at(_ACME, places) == [_LOG[_ACME][at - 1][0] for at in places]
        for bounds in ((0, 22), (3, 22), (5, 9), (12, 20), (2, 5), (11, 22), (7, 7), (10, 13), (0, 11)):
            # The last shard has said nothing, and so has nothing in the archive.
            await _bisects(history, {_ACME: bounds, _GLOBEX: (0, 10), _SILENT: (0, 0)})
        with pytest.raises(HistoryDamaged, match=rf"of 2 rows of shard {_ACME} from 22 on, 1 are there"):
            await history.rows_at(_ACME, [22, 23])


async def test_no_more_is_read_once_there_are_so_many_bytes(engine: AsyncEngine, store: Store) -> None:
    async with _reading(engine, store) as history:
        first, second = (len(row.value) for row, _ in _LOG[_ACME][12:14])
        for byte_limit, rows in ((1, 1), (first, 1), (first + 1, 2), (first + second, 2)):
            page = await history.rows_after(_ACME, 12, 22, _EVERY, 9, byte_limit=byte_limit)
            assert (len(page.rows), page.reached) == (rows, 12 + rows), byte_limit


async def test_who_is_in_the_archive_and_what_is_kept(engine: AsyncEngine, store: Store) -> None:
    async with _reading(engine, store) as history:
        assert not await history.lacks_archive()
        said = {name: await history.says_of(name) for name in ("acme", _TWIN, "globex", _UNSAID)}
        assert said == {"acme": True, _TWIN: True, "globex": True, _UNSAID: False}
        kept = await history.first_kept()
        assert len(kept) == _SHARDS
        assert [kept[shard] for shard in (_ACME, _GLOBEX)] == [(1, _at(1)), (1, _at(1))]
    async with _reading(engine, None) as history:
        assert await history.lacks_archive()
        assert not await history.says_of("acme")
        kept = await history.first_kept()
        assert [kept[shard] for shard in (_ACME, _GLOBEX)] == [(12, _at(12)), (8, _at(8))]
        assert {place for shard, place in kept.items() if shard not in _LOG} == {(1, _NEVER)}
        await _reads_all(history, _ACME, (14,), first=11)
        for reading in (history.rows_after(_ACME, 10, 22, _KEYS[0], 9), history.rows_at(_ACME, [3, 12])):
            with pytest.raises(ArchiveNotConfigured, match=r"11\b"):
                await reading


async def test_what_goes_meanwhile_is_read_where_it_went(engine: AsyncEngine, store: Store) -> None:
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        before = [History(connection, store) for _ in range(4)]
        for history in before:
            assert len(await history.rows_at(_ACME, [3, 12])) == 2
        assert await archive_next(engine, store, "history")
        assert await before[0].rows_at(_ACME, [9, 13, 21]) == [_LOG[_ACME][at - 1][0] for at in (9, 13, 21)]
        await _reads_all(before[1], _ACME, (13, 16), first=11)
        subjects, reached = await before[2].subjects_after(_ACME, 11, 15, Keys(_TOPICS), 9)
        assert [place for place, _, _ in subjects] == [
            row.position for row in _wanted(_ACME, 11, reached, Keys(_TOPICS)) if row.key is not None
        ]
        await _bisects(before[3], {_ACME: (11, 20)})


async def test_a_hole_is_told_of_and_not_stepped_over(engine: AsyncEngine, store: Store) -> None:
    async with engine.begin() as connection:
        gone = text("DELETE FROM log WHERE shard = :shard AND position IN (15, 17)")
        await connection.execute(gone, {"shard": _ACME})
    async with _reading(engine, store) as history:
        with pytest.raises(HistoryDamaged, match="has a hole between positions 13 and 16"):
            await history.rows_after(_ACME, 13, 16, _KEYS[0], 9)
        with pytest.raises(HistoryDamaged, match="has a hole between positions 14 and 15"):
            await history.rows_after(_ACME, 14, 15, _KEYS[0], 9)
        with pytest.raises(HistoryDamaged, match="of 2 rows of shard"):
            await history.rows_at(_ACME, [14, 15])
        with pytest.raises(HistoryDamaged, match="the log has holes: of 1 rows"):
            await history.last_before(_at(16), {_ACME: (11, 22)})
