"""The formats in which intervals are exported: CSV and JSON lines as PostgreSQL writes them, and Parquet."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, assert_never

from cli.operating.files import FormatName, Hashed
from cli.terminal.ending import CommandFailed
from db.exports import BOOLEAN, COLUMNS, INSTANT, TEXT

_ROW_GROUP_BYTES = 16 * 1024 * 1024
"""How much text becomes one row group, which readers can skip as a whole: about 50,000 intervals."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes rows that come as text in `form`, in chunks of whole rows."""

    form: Literal["csv", "ndjson", "table"]
    take: Callable[[bytes], object]


@contextmanager
def writer_of(form: FormatName, out: Hashed) -> Iterator[Writer]:
    """Yield a writer for a format; when the block ends, everything is written to `out`.

    Raises CommandFailed if a package that the format needs is not installed.
    """
    match form:
        case "csv":
            # RFC 4180 ends lines with CR LF. No text contains either (docs/contract.md section 2).
            yield Writer("csv", lambda rows: out.write(rows.replace(b"\n", b"\r\n")))
        case "ndjson":
            yield Writer("ndjson", out.write)
        case "parquet":
            with _parquet(out) as writer:
                yield writer
        case _:
            assert_never(form)


@contextmanager
def _parquet(out: Hashed) -> Iterator[Writer]:
    try:
        import pyarrow as pa  # noqa: PLC0415 - only in the extra `export`
        from pyarrow import csv, parquet  # noqa: PLC0415 - likewise
    except ImportError:
        raise CommandFailed(
            "Parquet needs the package pyarrow, which is not installed. "
            "Install whopays with its extra, in its checkout: pip install '.[export]'. "
            "CSV and NDJSON do without: --format csv"
        ) from None
    types = {TEXT: pa.string(), INSTANT: pa.timestamp("us", tz="UTC"), BOOLEAN: pa.bool_()}
    schema = pa.schema([(column.name, types[column.type]) for column in COLUMNS])
    reading: dict[str, Any] = {
        "read_options": csv.ReadOptions(column_names=schema.names, block_size=_ROW_GROUP_BYTES),
        "convert_options": csv.ConvertOptions(
            column_types=schema, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
        ),
    }
    text = bytearray()
    with parquet.ParquetWriter(out, schema, compression="zstd") as opened:

        def write_group() -> None:
            group = csv.read_csv(pa.BufferReader(bytes(text)), **reading)
            text.clear()
            opened.write_table(group, row_group_size=group.num_rows)

        def take(rows: bytes) -> None:
            text.extend(rows)
            if len(text) >= _ROW_GROUP_BYTES:
                write_group()

        yield Writer("table", take)
        if text:
            write_group()
