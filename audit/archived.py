"""Audits the archived part of a shard's log: files must match the database's records of them and join up."""

import asyncio
import hashlib
from array import array
from bisect import bisect_left
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.findings import Finding, Promise
from audit.log_story import Story, is_of_claim
from audit.output_topics import Missing, Unread, content_digest
from db.archive.catalog import Part, parts_of
from db.archive.checking import blocks_of
from db.archive.files import ArchivedRow
from db.archive.store import Store
from db.archive.trouble import ArchiveDamaged
from db.archive.writing import manifest_part
from db.log import LogRow
from schemas.instants import format_instant
from schemas.topics import Topic


async def manifest_findings(connection: AsyncConnection, store: Store) -> AsyncIterator[Finding]:
    """Yield the manifests that are missing, altered, or disagree with the database about the files."""
    parts = [part for of_shard in (await parts_of(connection)).values() for part in of_shard]
    digests = {part.manifest: part.manifest_sha256 for part in parts}
    for name, digest in digests.items():
        try:
            said = await asyncio.to_thread(store.read, name)
        except ArchiveDamaged as error:
            yield Finding(Promise.LOG, name, str(error))
            continue
        if hashlib.sha256(said).digest() != digest:
            yield Finding(Promise.LOG, name, "the manifest is altered: it has another SHA-256")
            continue
        listed = {one["file"]: one for one in orjson.loads(said)["parts"]}
        for part in parts:
            if part.manifest == name and listed.pop(part.file, None) != manifest_part(part):
                yield Finding(Promise.LOG, name, f"the manifest does not say of {part.file} what the database says")
        for file in listed:
            yield Finding(Promise.LOG, name, f"the manifest names {file}, which the database does not know")


class ArchivedShard:
    """The archived part of a shard's log; without a store its files are not read."""

    def __init__(
        self, parts: list[Part], store: Store | None, unread: Unread, closed: Mapping[int, "ArchivedShard"]
    ) -> None:
        """`closed` are the closed shards that held organizations of this one before."""
        self.border = parts[-1].last_position if parts else 0
        """The last archived position."""
        self._parts = parts
        self._store = store
        self._unread = unread
        self._closed = closed
        self._results = _Digests()
        self._phases = _Digests()
        self._is_read = bool(parts) and store is not None
        self.is_damaged = False
        """Whether a file could not be read."""

    async def run(self, story: Story, missing: Missing, heard: Callable[[int], None]) -> AsyncIterator[Finding]:
        """Feed the archived rows to the story and yield what is wrong with them; the story continues in the table."""
        for part in self._parts:
            place = f"shard {part.shard}, archived from position {part.first_position} on"
            if part.hash_before not in (None, story.hash):
                yield Finding(Promise.LOG, place, "the archive does not continue where it ended")
            if self._store is None:
                story.pass_over(part.last_position, part.last_hash)
                continue
            try:
                blocks = blocks_of(self._store, part)
                while (rows := await asyncio.to_thread(next, blocks, None)) is not None:
                    for one in rows:
                        for finding in self._check_row(one, story, missing):
                            yield finding
                    heard(story.position)
            except ArchiveDamaged as error:
                yield Finding(Promise.LOG, part.file, str(error))
                self._is_read, self.is_damaged = False, True
                story.pass_over(part.last_position, part.last_hash)
            if (story.position, story.hash) != (part.last_position, part.last_hash):
                yield Finding(Promise.LOG, part.file, "it does not end with the row that the database says")
        if self._is_read:
            for position, (_, record) in self._unread.items():
                trouble = f"its event {self._parts[0].shard}-{position} is not in the archive of the log"
                yield Finding(Promise.TOPICS, record, trouble)

    def of(self, shard: int | None) -> "ArchivedShard":
        """Return the archived part of a shard: a closed one, or this."""
        return self if shard is None else self._closed.get(shard, self)

    def has_read(self, position: int) -> bool:
        """Return whether a position is in the archive and was read there."""
        return self._is_read and position <= self.border

    def has_result(self, position: int) -> bool:
        """Return whether a command's result was read at a position of the archive."""
        return self.has_read(position) and self._results.at(position) is not None

    def is_result_of(self, claim: Mapping[str, Any]) -> bool:
        """Return whether an archived row is the result that a claim points to; True if the archive was not read."""
        said = [claim[name] for name in ("organization", "source", "command_id", "outcome", "project", "account")]
        return not self._is_read or self._results.at(claim["position"]) == _digest(*said)

    def is_phase(self, row: Mapping[str, Any]) -> bool:
        """Return whether an archived row is the event of a recorded phase; True if the archive was not read."""
        said = _digest(f"{row['organization']}/{row['account']}", format_instant(row["entered_at"]))
        return not self._is_read or self._phases.at(row["position"]) == said

    def _check_row(self, one: ArchivedRow, story: Story, missing: Missing) -> Iterator[Finding]:
        row = one.row
        yield from story.hear(row)
        yield from missing.look(row, one.recorded_at)
        place = f"shard {row.shard}, position {row.position}"
        if not _belongs(one):
            trouble = f"its organization is given as {one.boundary or 'none'}, but its key does not begin with that"
            yield Finding(Promise.LOG, place, trouble)
        digest, record = self._unread.pop(row.position, (None, ""))
        if digest is not None and digest != content_digest(row.topic, row.key, row.value):
            yield Finding(
                Promise.TOPICS, record, f"it differs from {row.shard}-{row.position} in the archive of the log"
            )
        self._remember(row, one.recorded_at)

    def _remember(self, row: LogRow, recorded_at: datetime) -> None:
        """Remember, in sixteen bytes, what the tables should repeat of this row."""
        if row.topic == Topic.COMMAND_RESULTS:
            try:
                data = orjson.loads(row.value)["data"]
                is_noted = is_of_claim(data)
            except (orjson.JSONDecodeError, KeyError, TypeError):
                return  # the story reports that it is not an event
            if is_noted:
                self._results.add(row.position, _digest(*map(data.get, _OF_RESULT)))
        elif row.topic == Topic.ACCOUNTS and row.key is not None:
            self._phases.add(row.position, _digest(row.key.decode(errors="replace"), format_instant(recorded_at)))


_OF_RESULT = ("organization", "commandSource", "commandId", "outcome", "project", "account")


class _Digests:
    """Digests by position; positions are added in ascending order."""

    def __init__(self) -> None:
        self._positions = array("Q")
        self._digests = array("Q")

    def add(self, position: int, digest: int) -> None:
        self._positions.append(position)
        self._digests.append(digest)

    def at(self, position: int) -> int | None:
        place = bisect_left(self._positions, position)
        is_there = place < len(self._positions) and self._positions[place] == position
        return self._digests[place] if is_there else None


def _digest(*said: str | None) -> int:
    return int.from_bytes(hashlib.blake2b(orjson.dumps(said), digest_size=8).digest())


def _belongs(one: ArchivedRow) -> bool:
    if one.row.topic == Topic.DEAD_LETTERS:
        return one.boundary is None
    name, key = one.boundary, one.row.key
    return name is not None and key is not None and (key + b"/").startswith(f"{name}/".encode())
