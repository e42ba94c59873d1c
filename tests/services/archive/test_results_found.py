"""Where the results of commands are in the archive, and who sees them: what a list of the rows says."""

from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import NamedTuple

import orjson
import pytest_asyncio
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.archive.catalog import Part
from db.archive.files import ArchivedRow, FileWriter
from db.archive.store import Store
from db.log import LogRow
from db.questions.archived_results import ArchivedResult, archived_results, read_results
from db.tables.of_the_archive import archived_log
from domain.reach import EVERYTHING, Reach
from schemas.askers import Names

_NOW = datetime(2026, 3, 1, tzinfo=UTC)


def _part(shard: int, first: int, last: int) -> Part:
    return Part(shard, first, last, _NOW, _NOW, None, b"h", f"{shard}-{last}", 9, b"s", 1, b"i", "m", b"d")


_PARTS = [_part(3, 1, 4), _part(3, 5, 9), _part(4, 1, 20)]
_SHARDS = {"acme": 3, "globex": 4}
_NAMED = ((None, None), ("web", None), (None, "main"), ("web", "main"))
_SOURCES = ("/a", "/b")


class _Command(NamedTuple):
    organization: str
    source: str
    id: str
    position: int
    project: str | None
    account: str | None
    is_forgotten: bool


_COMMANDS = [
    _Command(organization, source, f"{is_forgotten}-{position}", position, project, account, is_forgotten)
    for organization, source, position, is_forgotten in product(
        _SHARDS, _SOURCES, (1, 4, 5, 6, 9, 10, 11), (False, True)
    )
    for project, account in (_NAMED[position % 4],)
]
_REACHES = (
    EVERYTHING,
    Reach((Names(frozenset({"main"})),), ()),
    Reach((), (Names(frozenset({"web"})),)),
    Reach((), ()),
)


@pytest_asyncio.fixture
async def filled(engine: AsyncEngine) -> AsyncEngine:
    """A database in which two sources of two organizations have sent commands of the same ids."""
    async with engine.begin() as connection:
        await connection.execute(
            insert(archived_log), [{name: getattr(one, name) for name in Part.__slots__} for one in _PARTS]
        )
        for one in _COMMANDS:
            values = {**one._asdict(), "shard": _SHARDS[one.organization]}
            await connection.execute(_FORGOTTEN if one.is_forgotten else _CLAIMED, values)
    return engine


async def test_they_are_found_in_the_file_that_has_them(filled: AsyncEngine) -> None:
    async with filled.connect() as connection:
        for organization, id_ in dict.fromkeys((one.organization, one.id) for one in _COMMANDS):
            for source, reach in product((None, *_SOURCES, "/c"), _REACHES):
                found = await archived_results(connection, organization, id_, source, reach)
                expected = [
                    (one.position, one.is_forgotten, part.file)
                    for one in _COMMANDS
                    for part in _PARTS
                    if (one.organization, one.id) == (organization, id_)
                    and source in (None, one.source)
                    and part.shard == _SHARDS[organization]
                    and part.first_position <= one.position <= part.last_position
                    and (one.is_forgotten or reach.sees(one.project, one.account))
                ]
                assert sorted((one.position, one.is_forgotten, one.part.file) for one in found) == expected, id_
                assert all(one.part.hash_before is None and one.part.sha256 == b"s" for one in found)


async def test_what_is_read_is_what_is_seen(tmp_path: Path) -> None:
    """Of what was forgotten only the event itself says what it names."""
    values = [orjson.dumps({"data": {"project": project, "account": account}}) for project, account in _NAMED]
    rows = [
        ArchivedRow(LogRow(3, position, "command-results", b"acme", value, b"h"), _NOW, "acme")
        for position, value in enumerate(values, 1)
    ]
    writer = FileWriter()
    Store(str(tmp_path)).write("file", b"".join([*writer.add(rows), *writer.end()]))
    part = Part(
        3, 1, 4, _NOW, _NOW, b"", b"h", "file", writer.size, writer.sha256, writer.index_size, writer.index_sha256
    )
    for reach in _REACHES:
        found = [ArchivedResult(position, True, part) for position in range(1, 5)]
        seen = [value for value, names in zip(values, _NAMED, strict=True) if reach.sees(*names)]
        assert await read_results(Store(str(tmp_path)), found, reach) == seen


_CLAIMED = text(
    """
    INSERT INTO inbox (organization, source, command_id, fingerprint, shard, position, outcome, project, account)
    VALUES (:organization, :source, :id, '', :shard, :position, 'Applied', :project, :account)
    """
)
_FORGOTTEN = text(
    """
    INSERT INTO forgotten_commands (position, shard, digest, fingerprint) VALUES (:position, :shard,
        command_digest(CAST(:organization AS text), CAST(:source AS text), CAST(:id AS text)),
        decode('0011223344556677', 'hex'))
    """
)
