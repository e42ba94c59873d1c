"""The archive's file format: rows of one shard's log as JSON lines, compressed in blocks, with an index at the end.

    block        a Zstandard frame: about a megabyte of lines, each a JSON list (`line_of`)
    ...
    index        a skippable Zstandard frame, which other programs skip: compressed JSON

So `zstdcat FILE` prints the lines, and a reader that has the index reads only the blocks that it needs.
"""

import hashlib
import struct
from base64 import b64decode, b64encode
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import cramjam
import orjson

from db.log import LogRow
from schemas.instants import format_instant

BLOCK_BYTES = 1024 * 1024
"""The minimum size of a block in bytes of uncompressed lines; the last block may be smaller."""
_LEVEL = 6
_SKIPPABLE = struct.Struct("<II")
_MAGIC = 0x184D2A50


class ArchivedRow(NamedTuple):
    """A row of the log with all its columns."""

    row: LogRow
    recorded_at: datetime
    boundary: str | None


class Block(NamedTuple):
    """A block: its place in the file, what it holds, and the SHA-256 of its compressed bytes, in hexadecimal."""

    offset: int
    length: int
    first_position: int
    last_position: int
    first_instant: str
    last_instant: str
    sha256: str


@dataclass(frozen=True, slots=True)
class FileIndex:
    """A file's index: its blocks, and the blocks in which each organization has rows."""

    blocks: list[Block]
    organizations: dict[str, list[int]]

    def block_after(self, position: int) -> int:
        """Return the number of the first block with a row past a position, or the number of blocks if none has."""
        return bisect_left(self.blocks, position + 1, key=lambda block: block.last_position)

    def render(self) -> bytes:
        """Return the index as it is written at the end of a file."""
        document = {"blocks": [list(block) for block in self.blocks], "organizations": self.organizations}
        packed = bytes(cramjam.zstd.compress(orjson.dumps(document), _LEVEL))
        return _SKIPPABLE.pack(_MAGIC, len(packed)) + packed

    @classmethod
    def read(cls, said: bytes) -> "FileIndex":
        """Return the index that `render` wrote. Raises ValueError."""
        document = orjson.loads(_unpacked(said[_SKIPPABLE.size :]))
        return cls([Block(*block) for block in document["blocks"]], document["organizations"])


class FileWriter:
    """Turns rows, in order, into the bytes of a file."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._held: list[ArchivedRow] = []
        self._line_bytes = 0
        self._offset = 0
        self._blocks: list[Block] = []
        self._organizations: defaultdict[str, list[int]] = defaultdict(list)
        self._sha256 = hashlib.sha256()
        self.index_size = 0
        self.index_sha256 = b""

    @property
    def size(self) -> int:
        """The size of the file so far, in bytes."""
        return self._offset

    @property
    def sha256(self) -> bytes:
        """The SHA-256 of the file so far."""
        return self._sha256.digest()

    def add(self, rows: Iterable[ArchivedRow]) -> Iterator[bytes]:
        """Add rows; yield the blocks that become full."""
        for one in rows:
            line = line_of(one)
            self._lines.append(line)
            self._held.append(one)
            self._line_bytes += len(line)
            if self._line_bytes >= BLOCK_BYTES:
                yield self._block()

    def end(self) -> Iterator[bytes]:
        """Yield the last block, if any rows are left, and the index."""
        if self._lines:
            yield self._block()
        index = FileIndex(self._blocks, dict(self._organizations)).render()
        self.index_size, self.index_sha256 = len(index), hashlib.sha256(index).digest()
        yield self._written(index)

    def _block(self) -> bytes:
        packed = bytes(cramjam.zstd.compress(b"".join(self._lines), _LEVEL))
        first, last = self._held[0], self._held[-1]
        number = len(self._blocks)
        self._blocks.append(
            Block(
                self._offset,
                len(packed),
                first.row.position,
                last.row.position,
                format_instant(first.recorded_at),
                format_instant(last.recorded_at),
                hashlib.sha256(packed).hexdigest(),
            )
        )
        for name in {one.boundary for one in self._held if one.boundary is not None}:
            self._organizations[name].append(number)
        self._lines, self._held, self._line_bytes = [], [], 0
        return self._written(packed)

    def _written(self, data: bytes) -> bytes:
        self._offset += len(data)
        self._sha256.update(data)
        return data


def line_of(one: ArchivedRow) -> bytes:
    """Return a row as a line: the same members as in `whopays export-log`, then its instant and its organization."""
    row = one.row
    key = None if row.key is None else b64encode(row.key).decode()
    document = [
        row.shard, row.position, row.topic, key, row.value.decode(), row.hash.hex(), row.asked,
        format_instant(one.recorded_at), one.boundary,
    ]  # fmt: skip
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


def rows_of(block: bytes) -> list[ArchivedRow]:
    """Return the rows of a block. Raises ValueError if it is not a valid block."""
    return [_row(orjson.loads(line)) for line in _unpacked(block).splitlines()]


def _row(document: list[Any]) -> ArchivedRow:
    shard, position, topic, key, value, hash_, asked, instant, boundary = document
    row = LogRow(
        shard, position, topic, None if key is None else b64decode(key), value.encode(), bytes.fromhex(hash_), asked
    )
    return ArchivedRow(row, datetime.fromisoformat(instant), boundary)


def _unpacked(data: bytes) -> bytes:
    try:
        return bytes(cramjam.zstd.decompress(data))
    except cramjam.DecompressionError as error:
        raise ValueError("it is not compressed as it should be") from error
