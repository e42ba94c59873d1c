"""Intervals as Parquet: what PostgreSQL writes as CSV keeps its types, and nothing is not the empty text."""

import io
from datetime import UTC, datetime

import pytest
from pyarrow import parquet

from cli.operating.files import Hashed
from cli.operating.formats import _ROW_GROUP_BYTES, writer_of
from db.exports import BOOLEAN, COLUMNS, INSTANT, TEXT

_NOON = "2027-01-31 12:00:00.000001+00"
_WRITTEN = {INSTANT: _NOON, BOOLEAN: "true"}
_TEXTS = [number for number, column in enumerate(COLUMNS) if column.type == TEXT]
_READ = {INSTANT: datetime(2027, 1, 31, 12, 0, 0, 1, UTC), BOOLEAN: True}


@pytest.mark.parametrize("more", (0, 3))
def test_each_row_is_in_one_group_however_many_there_are(more: int) -> None:
    out = io.BytesIO()
    full = 16
    of_text = "x" * (_ROW_GROUP_BYTES // full)
    with writer_of("parquet", Hashed(out)) as writer:
        for number in range(full + more):
            row = [_WRITTEN.get(column.type, "") for column in COLUMNS]
            row[_TEXTS[0]], row[_TEXTS[1]] = of_text, str(number)
            writer.take(f"{','.join(row)}\n".encode())
    file = parquet.ParquetFile(io.BytesIO(out.getvalue()))
    groups = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
    assert groups == [full, more][: file.num_row_groups]
    assert file.num_row_groups == 1 + bool(more)
    assert file.read([COLUMNS[_TEXTS[1]].name]).column(0).to_pylist() == [str(number) for number in range(full + more)]


def test_nothing_is_null_in_every_column_and_text_is_as_it_was() -> None:
    out = io.BytesIO()
    with writer_of("parquet", Hashed(out)) as writer:
        for of_text in ('""', "NULL", '"a ""b"", c"'):
            row = ",".join(_WRITTEN.get(column.type, of_text) for column in COLUMNS)
            writer.take(f"{row}\n".encode())
        writer.take(f"{',' * (len(COLUMNS) - 1)}\n".encode())
    *written, nothing = parquet.read_table(io.BytesIO(out.getvalue())).to_pylist()
    for row, of_text in zip(written, ("", "NULL", 'a "b", c'), strict=True):
        assert row == {column.name: _READ.get(column.type, of_text) for column in COLUMNS}
    assert nothing == {column.name: None for column in COLUMNS}
