"""Header names that are not UTF-8 are read as escapes, and records of the formats before headers as they are."""

from collections.abc import Iterator
from typing import Any

import pytest
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from aiokafka.record.legacy_records import _LegacyRecordBatchBuilderPy

from workers.consuming.undecodable_headers import _LenientRecords

_CRC_OFFSET = 17


class _Undecodable(str):
    """A name that aiokafka writes as bytes that are not its UTF-8."""

    __slots__ = ()

    def encode(self, *_: Any) -> bytes:
        return b"odd\xff"


def _batch(value: bytes, compression: int) -> bytes:
    builder = _DefaultRecordBatchBuilderPy(
        magic=2, compression_type=compression, is_transactional=False,
        producer_id=-1, producer_epoch=-1, base_sequence=-1, batch_size=10_000,
    )  # fmt: skip
    builder.append(0, 1, b"key", value, [(_Undecodable("odd"), b"value"), ("name", None)])
    return bytes(builder.build())


def _read(raw: bytes) -> Iterator[Any]:
    records = _LenientRecords(raw)
    while records.has_next():
        yield from records.next_batch()
    assert records.next_batch() is None


@pytest.mark.parametrize("compression", (0, 1))
def test_a_name_is_read_as_an_escape_whatever_stands_beside_it(compression: int) -> None:
    values = [b"%d" % number for number in range(2000)]
    # Whatever the check sum behind the version begins with.
    odd = [value for value in values if _batch(value, compression)[_CRC_OFFSET] < 2][:3]
    assert odd
    for value in (values[0], *odd):
        (record, again) = _read(_batch(value, compression) * 2)
        assert record.value == again.value == value
        assert [*record.headers] == [*again.headers] == [("odd\\xff", b"value"), ("name", None)]


@pytest.mark.parametrize("magic", (0, 1))
def test_records_of_earlier_formats_are_read(magic: int) -> None:
    builder = _LegacyRecordBatchBuilderPy(magic, 0, 10_000)
    builder.append(0, 1, b"key", b"value")
    (record,) = _read(bytes(builder.build()))
    assert (record.key, record.value) == (b"key", b"value")
