"""Moves a partition of the log to the archive: write the files and the manifest, verify them, then remove the rows.

If the process is killed at any point, the rows stay in the table until the database has recorded the files, so they are
always in one of the two places. A new attempt writes the same files under the same names.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from db.archive.catalog import Due, Part, take_out
from db.archive.checking import blocks_of
from db.archive.files import ArchivedRow, FileWriter
from db.archive.store import NewFile, Store
from db.archive.trouble import ArchiveDamaged
from db.driver import Statement, fetch
from db.errors import is_transient
from db.history import HistoryDamaged
from db.log import LogRow, row_hash
from schemas.instants import format_instant

FORMAT = "whopays-log-archive/1"
_ROWS_AT_ONCE = 2_000
_LOCK_MILLISECONDS = 200
_TRIES, _BETWEEN_SECONDS = 60, 1.0


async def archive_partition(
    engine: AsyncEngine, store: Store, installation: str, due: Due
) -> AsyncGenerator[list[Part]]:
    """Write the due rows of a partition to files, read the files back, and remove the rows from the log.

    Each turn is short; all but the last yield an empty list, and the last yields the files. Raises HistoryDamaged if
    the log's rows do not match their hashes, and ArchiveDamaged if files do not read back as they were written; then no
    rows are removed. Raises ArchiveUnreachable, and the driver's errors, also if the log stays locked.
    """
    folder = f"{installation}/log-p{due.number:08}"
    parts: list[Part] = []
    for shard, span in due.spans.items():
        writing = _PartWriter(engine, store, folder, shard, span)
        async with aclosing(writing.run()) as turns:
            async for _ in turns:
                yield []
        parts.append(writing.part())
    for part in parts:
        async with aclosing(_read_back(store, part)) as turns:
            async for _ in turns:
                yield []
    manifest = render_manifest(installation, due.number, parts)
    digest = hashlib.sha256(manifest).digest()
    name = f"{folder}/manifest-{digest.hex()[:16]}.json"
    await asyncio.to_thread(store.write, name, manifest)
    if await asyncio.to_thread(store.read, name) != manifest:
        raise ArchiveDamaged(f"{name} does not read as it was written")
    noted = [replace(part, manifest=name, manifest_sha256=digest) for part in parts]
    for left in reversed(range(_TRIES)):
        try:
            async with engine.begin() as connection:
                # Writers queue behind this lock, so do not wait long for long-running readers.
                await connection.execute(text(f"SET LOCAL lock_timeout = {_LOCK_MILLISECONDS}"))
                await take_out(connection, due.number, noted)
            break
        except DBAPIError as error:
            if not left or not is_transient(error):
                raise
        await asyncio.sleep(_BETWEEN_SECONDS)
        yield []
    yield noted


def render_manifest(installation: str, number: int, parts: list[Part]) -> bytes:
    """Return the manifest of the files written in one archiving of a partition."""
    document = {
        "format": FORMAT,
        "installation": installation,
        "partition": number,
        "rows": sum(part.rows for part in parts),
        "parts": [manifest_part(part) for part in parts],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def manifest_part(part: Part) -> dict[str, Any]:
    """Return a manifest's entry for a file."""
    return {
        "shard": part.shard,
        "firstPosition": part.first_position,
        "lastPosition": part.last_position,
        "rows": part.rows,
        "firstInstant": format_instant(part.first_instant),
        "lastInstant": format_instant(part.last_instant),
        "hashBefore": None if part.hash_before is None else part.hash_before.hex(),
        "lastHash": part.last_hash.hex(),
        "file": part.file,
        "bytes": part.size,
        "sha256": part.sha256.hex(),
        "indexBytes": part.index_size,
        "indexSha256": part.index_sha256.hex(),
    }


class _PartWriter:
    """Writes the rows of one shard to a file."""

    def __init__(
        self, engine: AsyncEngine, store: Store, folder: str, shard: int, span: tuple[int, int, bytes | None]
    ) -> None:
        self._engine = engine
        self._store = store
        self._shard = shard
        self._position, self._last, self._hash_before = span
        self._first = self._position + 1
        self._hash = self._hash_before
        self._name = f"{folder}/shard-{shard:04}-{self._first:012}-{self._last:012}.jsonl.zst"
        self._writer = FileWriter()
        self._instants: list[datetime] = []

    async def run(self) -> AsyncGenerator[None]:
        """Write some rows each turn, then finish the file."""
        file = await asyncio.to_thread(self._store.create, self._name)
        try:
            while self._position < self._last:
                await asyncio.to_thread(_write, file, self._writer, await self._next())
                yield
            await asyncio.to_thread(_end, file, self._writer)
        finally:
            await asyncio.to_thread(file.abandon)

    def part(self) -> Part:
        """Describe the file that was written."""
        return Part(
            shard=self._shard,
            first_position=self._first,
            last_position=self._last,
            first_instant=self._instants[0],
            last_instant=self._instants[-1],
            hash_before=self._hash_before,
            last_hash=self._hash or b"",
            file=self._name,
            size=self._writer.size,
            sha256=self._writer.sha256,
            index_size=self._writer.index_size,
            index_sha256=self._writer.index_sha256,
        )

    async def _next(self) -> list[ArchivedRow]:
        values = {"shard": self._shard, "position": self._position, "last": self._last, "row_limit": _ROWS_AT_ONCE}
        async with self._engine.connect() as connection:
            found = await fetch(connection, _ROWS, **values)
        rows = [ArchivedRow(LogRow(*tuple(row.values())[:7]), row["recorded_at"], row["boundary"]) for row in found]
        if not rows:
            raise HistoryDamaged(f"the log of shard {self._shard} has a hole after position {self._position}")
        for one in rows:
            self._hash = _continued(one.row, self._position, self._hash)
            self._position = one.row.position
        self._instants = [*self._instants[:1], rows[0].recorded_at, rows[-1].recorded_at]
        return rows


def _continued(row: LogRow, position: int, hash_: bytes | None) -> bytes:
    """Check that a row is the next one and matches its hash; return the hash. Raises HistoryDamaged."""
    if row.position != position + 1:
        raise HistoryDamaged(f"the log of shard {row.shard} has a hole between positions {position} and {row.position}")
    if hash_ is not None and row.hash != row_hash(hash_, row.topic, row.key, row.value, row.asked):
        raise HistoryDamaged(
            f"the row at position {row.position} of shard {row.shard} does not have the hash of its content, and "
            "is not archived: whopays verify tells more"
        )
    return row.hash


def _write(file: NewFile, writer: FileWriter, rows: list[ArchivedRow]) -> None:
    for block in writer.add(rows):
        file.write(block)


def _end(file: NewFile, writer: FileWriter) -> None:
    for piece in writer.end():
        file.write(piece)
    file.finish()


async def _read_back(store: Store, part: Part) -> AsyncGenerator[None]:
    """Read a file back the way readers will, and check it. Raises ArchiveDamaged."""
    hash_, position = part.hash_before, part.first_position - 1
    blocks = blocks_of(store, part)
    while (rows := await asyncio.to_thread(next, blocks, None)) is not None:
        for one in rows:
            try:
                hash_ = _continued(one.row, position, hash_)
            except HistoryDamaged as error:
                raise ArchiveDamaged(f"{part.file}: {error}") from None
            position = one.row.position
        yield
    if (position, hash_) != (part.last_position, part.last_hash):
        raise ArchiveDamaged(f"{part.file} does not end as it was written")


_ROWS = Statement(
    """
    SELECT shard, position, topic, key, value, hash, CAST(asked AS text) AS asked, recorded_at, boundary FROM log
    WHERE shard = CAST(:shard AS smallint) AND position > :position AND position <= :last
    ORDER BY position LIMIT :row_limit
    """
)
