"""Wherever archiving is killed: nothing is lost, nothing is there twice, and who starts again ends what was begun."""

import asyncio
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.archive.catalog import parts_of
from db.archive.reading import History
from db.archive.store import Store
from db.history import Keys
from db.log import append, row_hash
from tests.services.archive.small import POSITIONS, archive_all, rows_in_table, shrink

_SHARDS, _ROWS = (0, 1, 7), 57
_AGO = datetime(2026, 1, 1, tzinfo=UTC)


async def test_killed_anywhere_nothing_is_lost_or_twice(engine: AsyncEngine, tmp_path: Path) -> None:
    await shrink(engine)
    await _say(engine)
    places = await rows_in_table(engine)
    url = engine.url.render_as_string(hide_password=False)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.services.archive.killed", url, str(tmp_path), str(POSITIONS),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    killed, store = 0, Store(str(tmp_path))
    async for line in process.stdout:
        point, tab, status = line.decode().rstrip().partition("\t")
        if not tab:
            continue  # a line of the log
        # Only a log that somebody has locked is waited for.
        assert (int(status) == -signal.SIGKILL) is not ("sleep" in point), line
        killed += int(status) == -signal.SIGKILL
        assert await _readable(engine, store) == sorted(places), point
    assert await process.wait() == 0
    assert killed > 20
    assert await archive_all(engine, store, "killed")
    assert await _readable(engine, store) == sorted(places)
    assert await rows_in_table(engine) == {(shard, at) for shard, at in places if at >= _ROWS // POSITIONS * POSITIONS}


async def _readable(engine: AsyncEngine, store: Store) -> Sequence[tuple[int, int]]:
    """Return the places of all rows that can be read, after a look that none is in both places."""
    found = []
    in_table = await rows_in_table(engine)
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        history = History(connection, store)
        for shard in _SHARDS:
            reached = 0
            while reached < _ROWS:
                page = await history.rows_after(shard, reached, _ROWS, Keys(("notices",)), 1000)
                found += [(row.shard, row.position) for row in page.rows]
                reached = page.reached
        for parts in (await parts_of(connection)).values():
            for part in parts:
                assert (part.shard, part.first_position) not in in_table
                assert (part.shard, part.last_position) not in in_table
    return found


async def _say(engine: AsyncEngine) -> None:
    """Write rows to three shards; all other shards are empty."""
    rows = []
    for shard in _SHARDS:
        hash_ = b""
        for position in range(1, _ROWS + 1):
            key, value = b"acme/web", b'{"said":%d}' % position
            hash_ = row_hash(hash_, "notices", key, value)
            rows.append(
                (shard, position, _AGO + timedelta(seconds=position), "notices", key, value, hash_, "acme", None)
            )
    async with engine.begin() as connection:
        await append(connection, rows)
        for shard in _SHARDS:
            values = {"shard": shard, "position": _ROWS}
            await connection.execute(text("UPDATE shards SET position = :position WHERE shard = :shard"), values)
            await connection.execute(text("INSERT INTO published (shard, position) VALUES (:shard, :position)"), values)
