"""Reads the log from any position, wherever it is: first the archive, then the table, without gaps or overlaps.

A partition may be archived at any moment. Rows leave the table in the same transaction that records the archive's
files: if a reader has read the table, and then finds no file for that range, it has missed nothing.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import datetime

from db.archive.catalog import Part, parts_beyond, parts_of
from db.archive.checking import index_of, rows_in
from db.archive.files import ArchivedRow, FileIndex
from db.archive.store import Store
from db.archive.trouble import ArchiveNotConfigured
from db.driver import Connection
from db.history import (
    HistoryDamaged,
    HistoryRow,
    Keys,
    Page,
    first_kept,
    last_before,
    rows_after,
    rows_at,
    subjects_after,
)
from db.shard_ranges import shard_ranges

_HELD_INDEXES = 64


class History:
    """Reads the log and its archive through a connection in autocommit mode.

    Without a store, only the table can be read. All methods may raise HistoryDamaged, and those that read the archive
    ArchiveUnreachable.
    """

    def __init__(self, connection: Connection, store: Store | None) -> None:
        self._connection = connection
        self._files = None if store is None else _Files(store)
        self._parts: dict[int, list[Part]] | None = None

    async def rows_after(
        self, shard: int, position: int, until: int, keys: Keys, limit: int, byte_limit: int = 1024 * 1024
    ) -> Page:
        """Return the wanted rows of a shard past a position, as `db.history.rows_after` does."""
        if (part := await self._part_at(shard, position + 1)) is not None:
            rows, reached = await self._archived_after(part, position, until, keys)
            return Page([_as_history(one) for one in rows], reached)
        try:
            page = await rows_after(self._connection, shard, position, until, keys, limit, byte_limit)
        except HistoryDamaged:
            if not await self._has_moved(shard, position):
                raise
        else:
            if not await self._has_moved(shard, position):
                return page
        return await self.rows_after(shard, position, until, keys, limit, byte_limit)

    async def subjects_after(
        self, shard: int, position: int, until: int, keys: Keys, limit: int
    ) -> tuple[list[tuple[int, str, bytes]], int]:
        """Return position, topic and record key of wanted rows, and the position searched up to."""
        if (part := await self._part_at(shard, position + 1)) is not None:
            rows, reached = await self._archived_after(part, position, until, keys)
            return [(row.position, row.topic, row.key) for row, _, _ in rows if row.key is not None], reached
        found = await subjects_after(self._connection, shard, position, until, keys, limit)
        if not await self._has_moved(shard, position):
            return found
        return await self.subjects_after(shard, position, until, keys, limit)

    async def rows_at(self, shard: int, positions: Sequence[int]) -> list[HistoryRow]:
        """Return the rows of a shard at ascending positions."""
        rows: list[HistoryRow] = []
        left = list(positions)
        while left:
            part = await self._part_at(shard, left[0])
            if part is not None:
                here = left[: bisect_left(left, part.last_position + 1)]
                rows += [_as_history(one) for one in await self._reading(shard).rows_at(part, here)]
            else:
                here = left
                try:
                    found = await rows_at(self._connection, shard, here)
                except HistoryDamaged:
                    if not await self._has_moved(shard, left[0] - 1):
                        raise
                    continue
                rows += found
            left = left[len(here) :]
        return rows

    async def lacks_archive(self) -> bool:
        """Return whether part of the log is archived but no archive is configured."""
        return self._files is None and bool(await self._known())

    async def first_kept(self) -> dict[int, tuple[int, datetime]]:
        """Return each shard's first position that can be read, and the instant of that row."""
        kept = await first_kept(self._connection)
        if self._files is None:
            return kept
        parts = await self._known()
        return kept | {shard: (of[0].first_position, of[0].first_instant) for shard, of in parts.items() if of}

    async def last_before(self, instant: datetime, within: Mapping[int, tuple[int, int]]) -> dict[int, int]:
        """Return each shard's last position before an instant, as `db.history.last_before` does."""
        found, in_table = {}, {}
        parts = await self._known()
        for shard, (low, high) in within.items():
            archived = parts.get(shard, [])
            border = archived[-1].last_position if archived else 0
            if border <= low:
                in_table[shard] = (low, high)
            elif archived[-1].last_instant >= instant:
                last = await self._last_archived_before(instant, archived)
                found[shard] = min(max(last, low), max(low, high))
            else:
                in_table[shard] = (border, max(border, high))
        try:
            found |= await last_before(self._connection, instant, in_table)
        except HistoryDamaged:
            moved = [shard for shard, (low, _) in in_table.items() if await self._has_moved(shard, low)]
            if not moved:
                raise
            return await self.last_before(instant, within)
        return {shard: min(position, max(within[shard])) for shard, position in found.items()}

    async def says_of(self, organization: str) -> bool:
        """Return whether the archive has any rows of an organization."""
        if self._files is None:
            return False
        shards = (await shard_ranges(self._connection)).shards_of(organization)
        known = await self._known()
        for part in (part for shard in shards for part in known.get(shard, [])):
            if organization in (await self._files.index(part)).organizations:
                return True
        return False

    async def _last_archived_before(self, instant: datetime, parts: list[Part]) -> int:
        number = bisect_left(parts, instant, key=lambda part: part.last_instant)
        part = parts[number]
        files = self._reading(part.shard)
        blocks = (await files.index(part)).blocks
        block = blocks[bisect_left(blocks, instant, key=lambda one: datetime.fromisoformat(one.last_instant))]
        rows = await files.rows_after(part, block.first_position - 1)
        return block.first_position - 1 + bisect_left(rows, instant, key=lambda one: one.recorded_at)

    async def _archived_after(self, part: Part, position: int, until: int, keys: Keys) -> tuple[list[ArchivedRow], int]:
        """Return the wanted rows of the next block that may have some, and the position searched up to."""
        files = self._reading(part.shard)
        index = await files.index(part)
        number = index.block_after(position)
        if keys.boundary is not None:
            of_organization = index.organizations.get(keys.boundary, [])
            place = bisect_left(of_organization, number)
            if place == len(of_organization):
                return [], min(until, part.last_position)
            number = of_organization[place]
        block = index.blocks[number]
        if block.first_position > until:
            return [], until
        rows = await files.rows_after(part, max(position, block.first_position - 1))
        return [one for one in rows if one.row.position <= until and _is_wanted(one, keys)], min(
            until, block.last_position
        )

    def _reading(self, shard: int) -> "_Files":
        if self._files is None:
            raise ArchiveNotConfigured(shard, max(part.last_position for part in (self._parts or {})[shard]))
        return self._files

    async def _known(self) -> dict[int, list[Part]]:
        if self._parts is None:
            self._parts = await parts_of(self._connection)
        return self._parts

    async def _part_at(self, shard: int, position: int) -> Part | None:
        parts = (await self._known()).get(shard, [])
        number = bisect_left(parts, position, key=lambda part: part.last_position)
        return parts[number] if number < len(parts) and parts[number].first_position <= position else None

    async def _has_moved(self, shard: int, position: int) -> bool:
        """Load the files archived in the meantime; return whether they include the rows after a position."""
        parts = (await self._known()).setdefault(shard, [])
        known = parts[-1].last_position if parts else 0
        parts += await parts_beyond(self._connection, shard, known)
        return bool(parts) and parts[-1].last_position > max(known, position)


class _Files:
    """The files of a store, with a cache of some indexes and of the last block read of each shard."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._indexes: dict[str, FileIndex] = {}
        self._last: dict[int, list[ArchivedRow]] = {}

    async def index(self, part: Part) -> FileIndex:
        """Return the index of a file."""
        found = self._indexes.pop(part.file, None)
        if found is None:
            found = await asyncio.to_thread(index_of, self._store, part)
        self._indexes[part.file] = found
        if len(self._indexes) > _HELD_INDEXES:
            del self._indexes[next(iter(self._indexes))]
        return found

    async def rows_after(self, part: Part, position: int) -> list[ArchivedRow]:
        """Return the rows past a position, up to the end of the block that holds the next one."""
        rows = self._last.get(part.shard, [])
        if not rows or not rows[0].row.position <= position + 1 <= rows[-1].row.position:
            index = await self.index(part)
            block = index.blocks[index.block_after(position)]
            rows = await asyncio.to_thread(rows_in, self._store, part, block)
            self._last[part.shard] = rows
        return rows[position + 1 - rows[0].row.position :]

    async def rows_at(self, part: Part, positions: Sequence[int]) -> list[ArchivedRow]:
        """Return the rows at positions."""
        return [(await self.rows_after(part, position - 1))[0] for position in positions]


def _is_wanted(one: ArchivedRow, keys: Keys) -> bool:
    return (
        one.row.topic in keys.topics
        and (keys.boundary is None or one.boundary == keys.boundary)
        and (keys.key is None or one.row.key == keys.key)
    )


def _as_history(one: ArchivedRow) -> HistoryRow:
    row = one.row
    return HistoryRow(row.shard, row.position, one.recorded_at, row.topic, row.key, row.value)
