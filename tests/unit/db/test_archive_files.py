"""Files of the archive: what they hold, where each row stands in them, and that every byte of them counts."""

import hashlib
import json
import os
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cramjam
import pytest

from db.archive import files
from db.archive.catalog import MOST_LEFT, Part
from db.archive.checking import blocks_of, index_of, rows_in, value_at
from db.archive.files import ArchivedRow, FileIndex, FileWriter, line_of, rows_of
from db.archive.store import Store
from db.archive.trouble import ArchiveDamaged, ArchiveUnreachable
from db.archive.writing import _continued, render_manifest
from db.history import HistoryDamaged
from db.log import PARTITION_POSITIONS, LogRow, row_hash
from db.revisions import migration_files

_BEGIN = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
_FIRST, _LAST = 5, 15
_NAME = "log-p00000000/shard-0003.jsonl.zst"


def _row(position: int, before: bytes) -> ArchivedRow:
    key = None if position % 4 == 0 else b"acme/\xc3\xa9"
    value, asked = b'{"n":%d,"text":"\xc3\xa9"}' % position, '{"person": "ada"}' if position % 3 == 0 else None
    hash_ = row_hash(before, "notices", key, value, asked)
    boundary = None if position % 4 == 0 else "globex" if position in (9, 10, 15) else "acme"
    return ArchivedRow(
        LogRow(3, position, "notices", key, value, hash_, asked), _BEGIN + timedelta(seconds=position), boundary
    )


def _rows() -> list[ArchivedRow]:
    rows: list[ArchivedRow] = []
    for position in range(_FIRST, _LAST + 1):
        rows.append(_row(position, rows[-1].row.hash if rows else b"before"))
    return rows


_ROWS = _rows()


@dataclass(frozen=True)
class _Written:
    """A file of the rows above, of which two fill a block."""

    part: Part
    content: bytes
    index: FileIndex


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path))


@pytest.fixture
def written(store: Store, monkeypatch: pytest.MonkeyPatch) -> _Written:
    # The shortest two that follow one another fill a block to the byte.
    monkeypatch.setattr(files, "BLOCK_BYTES", sum(len(line_of(one)) for one in _ROWS[2:4]))
    writer = FileWriter()
    content = b"".join([*writer.add(_ROWS), *writer.end()])
    assert (writer.size, writer.sha256) == (len(content), hashlib.sha256(content).digest())
    store.write(_NAME, content)
    return _Written(_part_of(writer), content, FileIndex.read(content[-writer.index_size :]))


def _part_of(writer: FileWriter) -> Part:
    return Part(
        3, _FIRST, _LAST, _ROWS[0].recorded_at, _ROWS[-1].recorded_at, b"before", _ROWS[-1].row.hash, _NAME,
        writer.size, writer.sha256, writer.index_size, writer.index_sha256,
    )  # fmt: skip


def test_a_line_is_what_the_log_says() -> None:
    one = _ROWS[1]
    assert line_of(one) == (
        b'[3,6,"notices","YWNtZS/DqQ==","{\\"n\\":6,\\"text\\":\\"\xc3\xa9\\"}","%b","{\\"person\\": \\"ada\\"}",'
        b'"2026-03-01T09:30:06.000000Z","acme"]\n' % one.row.hash.hex().encode()
    )
    assert json.loads(line_of(_ROWS[3]))[3:] == [
        None, '{"n":8,"text":"é"}', _ROWS[3].row.hash.hex(), None, "2026-03-01T09:30:08.000000Z", None,
    ]  # fmt: skip


def test_a_file_is_its_rows_in_blocks_and_an_index_of_them(written: _Written) -> None:
    index, content, offset, seen = written.index, written.content, 0, list[ArchivedRow]()
    for block in index.blocks:
        packed = content[block.offset : block.offset + block.length]
        rows = rows_of(packed)
        assert block == (
            offset, len(packed), rows[0].row.position, rows[-1].row.position,
            f"2026-03-01T09:30:{rows[0].row.position:02}.000000Z",
            f"2026-03-01T09:30:{rows[-1].row.position:02}.000000Z", hashlib.sha256(packed).hexdigest(),
        )  # fmt: skip
        seen, offset = seen + rows, offset + block.length
    assert seen == _ROWS
    assert [block.first_position for block in index.blocks] == [5, 7, 9, 11, 13, 15]
    assert index.organizations == {"acme": [0, 1, 3, 4], "globex": [2, 5]}
    # Other programs pass over the index, whose frame says how long it is.
    magic, length = struct.unpack("<II", content[offset : offset + 8])
    assert (magic & ~0xF, length) == (0x184D2A50, len(content) - offset - 8)
    assert json.loads(bytes(cramjam.zstd.decompress(content[offset + 8 :])))["organizations"] == index.organizations


def test_a_file_without_rows_has_an_index() -> None:
    writer = FileWriter()
    assert FileIndex.read(b"".join([*writer.add([]), *writer.end()])) == FileIndex([], {})


def test_the_block_of_a_position_and_the_row_there(store: Store, written: _Written) -> None:
    for after in range(_LAST + 2):
        expected = sum(block.last_position <= after for block in written.index.blocks)
        assert written.index.block_after(after) == expected
    for one in _ROWS:
        assert value_at(store, written.part, one.row.position) == one.row.value
    assert [row for rows in blocks_of(store, written.part) for row in rows] == _ROWS


@pytest.mark.parametrize("block", (b"no frame", bytes(cramjam.zstd.compress(b"no JSON\n"))))
def test_what_is_no_block_has_no_rows(block: bytes) -> None:
    with pytest.raises(ValueError, match=r"compressed|literal"):
        rows_of(block)


def _refused(store: Store, part: Part, words: str) -> None:
    with pytest.raises(ArchiveDamaged, match=words):
        list(blocks_of(store, part))


def test_each_byte_counts(store: Store, written: _Written) -> None:
    part, content = written.part, written.content
    for place in (0, written.index.blocks[1].offset, len(content) - part.index_size, len(content) - 1):
        damaged = bytearray(content)
        damaged[place] ^= 1
        store.write(_NAME, bytes(damaged))
        in_index = place >= len(content) - part.index_size
        _refused(
            store, part, "the index of .* is cut or altered" if in_index else r"positions \d+ to \d+ cannot be read"
        )
        if in_index:
            with pytest.raises(ArchiveDamaged, match="the index"):
                index_of(store, part)
    second = written.index.blocks[1]
    store.write(_NAME, content[: second.offset] + b"?" + content[second.offset + 1 :])
    with pytest.raises(ArchiveDamaged, match="positions 7 to 8 cannot be read"):
        rows_in(store, part, second)
    assert rows_in(store, part, written.index.blocks[0]) == _ROWS[:2]


def test_what_a_forger_leaves_out_or_adds_is_found(store: Store, written: _Written) -> None:
    """The index is that of the row of the database, and does not say what the file holds."""

    def forged(change: Callable[[FileIndex], None], content: bytes = written.content) -> Part:
        index = FileIndex(list(written.index.blocks), written.index.organizations)
        change(index)
        said = index.render()
        whole = content[: -written.part.index_size] + said
        store.write(_NAME, whole)
        return replace(
            written.part, size=len(whole), sha256=hashlib.sha256(whole).digest(), index_size=len(said),
            index_sha256=hashlib.sha256(said).digest(),
        )  # fmt: skip

    _refused(store, forged(lambda index: index.blocks.__delitem__(2)), "the index of .* leaves something out")
    part = forged(lambda _: None)
    assert [row for rows in blocks_of(store, part) for row in rows] == _ROWS
    _refused(store, replace(part, sha256=b"other"), "has another SHA-256")
    _refused(store, replace(written.part, size=part.size + 1), "is cut or altered|bytes, not")
    longer = written.content + b"more"
    store.write(_NAME, longer)
    _refused(store, written.part, f"has {len(longer)} bytes, not {written.part.size}")
    nothing = bytes(cramjam.zstd.compress(b"[1]\n"))

    def replaced(index: FileIndex) -> None:
        digest = hashlib.sha256(nothing).hexdigest()
        index.blocks[:] = [index.blocks[0]._replace(length=len(nothing), sha256=digest)]

    part = forged(replaced, nothing + written.content[-written.part.index_size :])
    _refused(store, part, r"positions 5 to 6 are no rows \(")


@pytest.mark.parametrize("url", ("{}", "file://{}"))
def test_a_file_is_there_whole_or_not_at_all(url: str, tmp_path: Path) -> None:
    store = Store(url.format(f"{tmp_path}/"))
    file = store.create("a/b/c")
    file.write(b"some")
    with pytest.raises(ArchiveDamaged, match="a/b/c is missing in the archive"):
        store.read("a/b/c")
    file.write(b"thing")
    file.finish()
    file.abandon()
    assert store.read("a/b/c") == b"something"
    assert [store.read("a/b/c", 2), store.read("a/b/c", 2, 5), store.size("a/b/c")] == [b"mething", b"met", 9]
    other = store.create("a/b/c")
    other.write(b"other")
    other.abandon()
    other.abandon()
    assert store.read("a/b/c") == b"something"
    store.write("a/b/c", b"longer than before")
    assert (store.size("a/b/c"), store.read("a/b/c")) == (18, b"longer than before")
    with pytest.raises(ArchiveDamaged, match="a/d is missing"):
        store.size("a/d")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["c"]


def test_an_object_of_another_storage_is_written_and_read() -> None:
    store = Store("memory://archive/")
    store.write("a/b/c", b"something")
    assert (store.read("a/b/c"), store.read("a/b/c", 2, 5), store.size("a/b/c")) == (b"something", b"met", 9)
    with pytest.raises(ArchiveDamaged, match="a/d is missing"):
        store.size("a/d")


def test_what_a_killed_process_left_goes_after_a_while(store: Store, tmp_path: Path) -> None:
    for name, age in (("c.1.unfinished", 4000), ("c.2.unfinished", 3000), ("d.1.unfinished", 4000)):
        (tmp_path / name).write_bytes(b"half")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    store.write("c", b"whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c", "c.2.unfinished", "d.1.unfinished"]


def test_what_cannot_be_written_is_not_there_and_says_so(store: Store, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a file")
    with pytest.raises(ArchiveUnreachable, match=r"a/b cannot be reached in the archive \(FileExistsError\)"):
        store.write("a/b", b"")
    with pytest.raises(ArchiveDamaged, match="a/b is missing"):
        store.read("a/b")
    with pytest.raises(ArchiveUnreachable, match=r"b cannot be reached in the archive \(TypeError\)"):
        store.write("b", "no bytes")  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_an_address_that_cannot_be_used_is_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    for kind, why in (("nowhere", "is unknown"), ("s3", "needs a package that is not installed")):
        with pytest.raises(ArchiveUnreachable) as refused:
            Store(f"{kind}://user:secret@host")
        assert str(refused.value) == f"WHOPAYS_ARCHIVE_URL cannot be used: {kind} {why}"


def test_a_manifest_says_what_is_where() -> None:
    parts = [
        Part(3, 5, 15, _BEGIN, _BEGIN + timedelta(seconds=1), b"\x01", b"\x02", "f", 7, b"\x03", 2, b"\x04"),
        Part(4, 1, 1, _BEGIN, _BEGIN, None, b"\x05", "g", 8, b"\x06", 3, b"\x07"),
    ]
    said = render_manifest("here", 9, parts)
    assert said.startswith(b'{\n  "format"')
    assert said.endswith(b"}\n")
    instants = {"firstInstant": "2026-03-01T09:30:00.000000Z", "lastInstant": "2026-03-01T09:30:00.000000Z"}
    assert json.loads(said) == {
        "format": "whopays-log-archive/1", "installation": "here", "partition": 9, "rows": 12,
        "parts": [
            {
                "shard": 3, "firstPosition": 5, "lastPosition": 15, "rows": 11, **instants,
                "lastInstant": "2026-03-01T09:30:01.000000Z", "hashBefore": "01", "lastHash": "02", "file": "f",
                "bytes": 7, "sha256": "03", "indexBytes": 2, "indexSha256": "04",
            },
            {
                "shard": 4, "firstPosition": 1, "lastPosition": 1, "rows": 1, **instants, "hashBefore": None,
                "lastHash": "05", "file": "g", "bytes": 8, "sha256": "06", "indexBytes": 3, "indexSha256": "07",
            },
        ],
    }  # fmt: skip


def test_rows_go_on_where_the_one_before_ends() -> None:
    row = _ROWS[0].row
    assert _continued(row, 4, b"before") == _continued(row, 4, None) == row.hash
    with pytest.raises(HistoryDamaged, match="shard 3 has a hole between positions 3 and 5"):
        _continued(row, 3, b"before")
    with pytest.raises(HistoryDamaged, match="position 5 of shard 3 does not have the hash"):
        _continued(row, 4, b"")
    asked = _ROWS[1].row
    assert asked.asked is not None
    with pytest.raises(HistoryDamaged, match="position 6"):
        _continued(asked._replace(asked=None), 5, row.hash)


def test_the_database_divides_the_log_as_this_code_does() -> None:
    said = {revision: file.read_text() for revision, file in migration_files().items()}
    for revision in ("0015", "0022"):
        assert f"positions CONSTANT bigint := {PARTITION_POSITIONS};" in said[revision]
    assert f"most_left CONSTANT bigint := {MOST_LEFT};" in said["0022"]
