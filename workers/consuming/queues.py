"""A queue of records; in a large backlog all but the first and the last are compressed.

Records of one organization resemble one another. Compressed in blocks, a command takes less than half the memory, at
a small cost in CPU compared to deciding it.
"""

import pickle
import zlib
from operator import attrgetter

from schemas.records import Record

_BLOCK = 64
"""How many records are compressed together."""
_LEVEL = 1
"""zlib's fastest; higher levels hardly make a block smaller."""
_BYTES_OF_A_QUEUE = 500
_BYTES_OF_A_RECORD, _BYTES_OF_A_HEADER = 220, 200
"""Measured overhead of a record and of a header, beyond their contents. A lone content type is shared by many."""
_BYTES_OF_A_COMPRESSED_RECORD = 50
"""Memory kept elsewhere for each record until it is decided (`workers.batches.progress`)."""

_fields = attrgetter(*Record.__slots__)


class Queue:
    """A FIFO of records."""

    __slots__ = ("_blocks", "_first", "_last", "_length", "bytes")

    def __init__(self) -> None:
        self._first: list[Record] = []  # the next ones, reversed: the very next is last; empty only if the queue is
        self._blocks: list[tuple[bytes, int]] = []  # each with how many bytes it saves
        self._last: list[Record] = []
        self._length = 0
        self.bytes = _BYTES_OF_A_QUEUE
        """The estimated memory that the queue takes."""

    def __len__(self) -> int:
        return self._length

    def extend(self, records: list[Record], *, is_much: bool) -> None:
        """Append records; if the total backlog is large (`is_much`), compress all but the first and the last."""
        self._length += len(records)
        self.bytes += sum(map(_size_of, records))
        if not self._first:
            self._first, records = records[:1], records[1:]
        self._last += records
        if is_much:
            while len(self._last) >= _BLOCK:
                self._compress()

    def take(self, count: int) -> list[Record]:
        """Remove and return the first `count` records; the queue must hold that many."""
        records: list[Record] = []
        for _ in range(count):
            record = self._first.pop()
            records.append(record)
            if not self._first:
                self._refill()
        self._length -= count
        self.bytes -= sum(map(_size_of, records))
        return records

    def _compress(self) -> None:
        records = self._last[:_BLOCK]
        block = zlib.compress(pickle.dumps([*map(_fields, records)]), _LEVEL)
        saved = sum(map(_size_of, records)) - len(block) - _BLOCK * _BYTES_OF_A_COMPRESSED_RECORD
        self._blocks.append((block, saved))
        del self._last[:_BLOCK]
        self.bytes -= saved

    def _refill(self) -> None:
        if self._blocks:
            block, saved = self._blocks.pop(0)
            # These bytes are our own and never left this process.
            self._first = [Record(*fields) for fields in pickle.loads(zlib.decompress(block))]  # noqa: S301
            self.bytes += saved
        else:
            self._first, self._last = self._last, self._first
        self._first.reverse()


def _size_of(record: Record) -> int:
    size = _BYTES_OF_A_RECORD + len(record.value or b"") + len(record.key or b"")
    for name, value in record.headers:
        if name != "content-type":
            size += _BYTES_OF_A_HEADER + len(name) + len(value or b"")
    return size
