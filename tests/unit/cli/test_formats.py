"""Intervals as Parquet: what PostgreSQL writes as CSV keeps its types, and nothing is not the empty text."""

import io
from datetime import UTC, datetime

from pyarrow import parquet

from cli.operating.files import Hashed
from cli.operating.formats import writer_of
from db.exports import BOOLEAN, COLUMNS, INSTANT

_NOON = "2027-01-31 12:00:00.000001+00"
_WRITTEN = {INSTANT: _NOON, BOOLEAN: "true"}
_READ = {INSTANT: datetime(2027, 1, 31, 12, 0, 0, 1, UTC), BOOLEAN: True}


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
