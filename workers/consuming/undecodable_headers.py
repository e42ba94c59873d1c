"""Reading records whose header names are not UTF-8.

Kafka's protocol calls a header's name a string, but no broker checks it. aiokafka's parser fails on such a name every
time the batch is fetched, so a single record would block its partition for ever. Here such a batch is parsed again by
aiokafka's own slower parser, with undecodable bytes of a name escaped (`\\xff`). No attribute has such a name, so the
record is answered as if the header were absent.
"""

from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords, _MemoryRecordsPy

_MAGIC_OFFSET = 16
_HEADERS_SINCE_MAGIC = 2


def read_undecodable_headers() -> None:
    """Have all consumers of this process read records whose header names are not UTF-8."""
    fetcher.MemoryRecords = _KeptRecords
    fetcher.PartitionRecords = _PartitionRecords


class _KeptRecords:
    """What a fetch returned of a partition: parsed as usual, with the raw bytes kept."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._parsed = MemoryRecords(raw)
        self.size_in_bytes = self._parsed.size_in_bytes
        self.has_next = self._parsed.has_next
        self.next_batch = self._parsed.next_batch


class _LenientRecords(_MemoryRecordsPy):  # type: ignore[misc]
    def next_batch(self, *_: int) -> Any:
        raw = self._next_slice
        if raw is None or raw[_MAGIC_OFFSET] < _HEADERS_SINCE_MAGIC:
            return super().next_batch()
        self._cache_next()
        return _LenientBatch(raw)


class _LenientBatch(_DefaultRecordBatchPy):  # type: ignore[misc]
    _buffer: bytearray

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer = _LenientBytes(self._buffer)


class _LenientBytes(bytearray):
    """Bytes that can always be decoded, slices included."""

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return _LenientBytes(found) if isinstance(index, slice) else found

    def decode(self, *_: Any, **__: Any) -> str:
        return super().decode("utf-8", "backslashreplace")


class _PartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc]
    _records: Any
    _aborted_transactions: list[Any]
    _aborted_producers: set[Any]

    def _unpack_records(self) -> Iterator[Any]:
        aborted = list(self._aborted_transactions)
        try:
            yield from super()._unpack_records()
        except UnicodeDecodeError:
            # Parsed again from the start: records already yielded are skipped, and aborted transactions counted again.
            self._records = _LenientRecords(self._records.raw)
            self._aborted_transactions = aborted
            self._aborted_producers = set()
            yield from super()._unpack_records()
