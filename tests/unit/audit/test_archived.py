"""What an audit finds in the archive: files and manifests beside what the database and the topics say of them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from audit import archived as module
from audit.archived import ArchivedShard, _belongs, manifest_findings
from audit.log_story import Story
from audit.output_topics import Missing, Published, Unread, content_digest
from db.archive.catalog import Part
from db.archive.files import ArchivedRow, FileWriter
from db.archive.store import Store
from db.archive.writing import render_manifest
from db.shard_ranges import ShardRange
from schemas.topics import Topic
from tests.unit.audit.telling import SOUND, rows

_NOON = datetime(2027, 1, 31, 12, tzinfo=UTC)
_TOLD = [
    ArchivedRow(row, _NOON + timedelta(minutes=row.position), None if row.topic == Topic.DEAD_LETTERS else "acme")
    for row in rows(SOUND)
]
_FOUND = "it differs from 0-3 in the archive of the log"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path))


def _archived(store: Store, told: list[ArchivedRow], *ends: int) -> list[Part]:
    """Write rows to files, each of which ends at a position; return them as the database knows them."""
    parts, last = [], told[0].row.position - 1
    for end in ends:
        writer, said = FileWriter(), [one for one in told if last < one.row.position <= end]
        name = f"shard-{end:02}"
        store.write(name, b"".join([*writer.add(said), *writer.end()]))
        before = told[last - 1].row.hash if last else b""
        parts.append(
            Part(
                0, last + 1, end, said[0].recorded_at, said[-1].recorded_at, before, said[-1].row.hash, name,
                writer.size, writer.sha256, writer.index_size, writer.index_sha256,
            )
        )  # fmt: skip
        last = end
    return parts


async def _run(archived: ArchivedShard) -> tuple[list[str], Story, list[int]]:
    story, heard = Story(0, ShardRange(0, 1)), list[int]()
    missing = Missing(Published(), 0, None, _NOON)
    found = [f"{one.promise} {one}" async for one in archived.run(story, missing, heard.append)]
    return found, story, heard


def _claim(position: int, command: str, outcome: str = "Applied") -> dict[str, Any]:
    names = {"organization": "acme", "source": "/cli", "command_id": command, "project": None, "account": None}
    return {**names, "outcome": outcome, "position": position}


def _phase(position: int, minutes: int, account: str = "main") -> dict[str, Any]:
    entered_at = _NOON + timedelta(minutes=minutes)
    return {"organization": "acme", "account": account, "entered_at": entered_at, "position": position}


async def test_what_is_read_is_remembered(store: Store) -> None:
    archived = ArchivedShard(_archived(store, _TOLD, 6, 14), store, {}, {})
    found, story, heard = await _run(archived)
    assert (found, heard, archived.border, archived.is_damaged) == ([], [6, 14], 14, False)
    assert (story.is_whole, story.position, story.hash) == (True, 14, _TOLD[-1].row.hash)
    assert [archived.has_read(position) for position in (1, 14, 15)] == [True, True, False]
    # The dry run, and what was answered again, are the results of no claim.
    assert [position for position in range(16) if archived.has_result(position)] == [9, 10, 11]
    claims = (_claim(10, "c1"), _claim(9, "c1"), _claim(10, "c2"), _claim(12, "c3"), _claim(14, "c1"))
    assert [archived.is_result_of(one) for one in claims] == [True, False, False, False, False]
    phases = (_phase(1, 1), _phase(1, 2), _phase(1, 1, "lab"), _phase(5, 5, "web"), _phase(99, 99))
    assert [archived.is_phase(one) for one in phases] == [True, False, False, False, False]


async def test_without_a_store_nothing_is_read_and_all_is_believed(store: Store) -> None:
    archived = ArchivedShard(_archived(store, _TOLD, 6, 14), None, {7: (b"", "there")}, {})
    found, story, heard = await _run(archived)
    assert (found, heard, archived.border) == ([], [], 14)
    assert (story.is_whole, story.position, story.hash) == (False, 14, _TOLD[-1].row.hash)
    assert not archived.has_read(6)
    assert not archived.has_result(10)
    assert archived.is_result_of(_claim(10, "c9"))
    assert archived.is_phase(_phase(1, 9))


async def test_of_what_is_not_archived_nothing_is_said(store: Store) -> None:
    archived = ArchivedShard([], store, {}, {})
    assert (await _run(archived))[0] == []
    assert (archived.border, archived.has_read(0)) == (0, False)


def test_what_a_closed_shard_told_is_looked_for_in_its_own_archive(store: Store) -> None:
    closed = ArchivedShard([], store, {}, {})
    archived = ArchivedShard([], store, {}, {2: closed})
    assert [archived.of(shard) for shard in (None, 2, 3)] == [archived, closed, archived]


async def test_a_file_that_is_gone_is_told_of_once(store: Store, tmp_path: Path) -> None:
    parts = _archived(store, _TOLD, 6, 14)
    (tmp_path / "shard-06").unlink()
    archived = ArchivedShard(parts, store, {99: (b"", "there")}, {})
    found, story, _ = await _run(archived)
    assert found == ["log shard-06: shard-06 is missing in the archive"]
    assert (archived.is_damaged, archived.has_read(14), story.position, story.is_whole) == (True, False, 14, False)


@pytest.mark.parametrize(
    ("change", "found"),
    (
        ({"hash_before": None}, []),
        (
            {"hash_before": b"other"},
            ["log shard 0, archived from position 1 on: the archive does not continue where it ended"],
        ),
        ({"last_hash": b"other"}, ["log shard-14: it does not end with the row that the database says"]),
        ({"last_position": 15}, ["log shard-14: it does not end with the row that the database says"]),
    ),
)
async def test_a_file_that_is_not_what_the_database_says(
    store: Store, change: dict[str, Any], found: list[str]
) -> None:
    (part,) = _archived(store, _TOLD, 14)
    assert (await _run(ArchivedShard([replace(part, **change)], store, {}, {})))[0] == found


async def test_rows_that_are_noted_for_others(store: Store) -> None:
    noted = {2: "globex", 5: None, 14: "acme"}
    told = [one._replace(boundary=noted.get(one.row.position, one.boundary)) for one in _TOLD]
    words = "but its key does not begin with that"
    assert (await _run(ArchivedShard(_archived(store, told, 14), store, {}, {})))[0] == [
        f"log shard 0, position {position}: its organization is given as {name or 'none'}, {words}"
        for position, name in noted.items()
    ]
    keys: tuple[tuple[bytes | None, str | None, bool], ...] = (
        (b"acme", "acme", True), (b"acme/web", "acme", True), (b"acmes", "acme", False), (None, "acme", False),
        (b"acme", None, False), (b"acme", "acm", False),
    )  # fmt: skip
    for key, boundary, belongs in keys:
        one = ArchivedRow(_TOLD[4].row._replace(key=key), _NOON, boundary)
        assert _belongs(one) is belongs, (key, boundary)


async def test_what_topics_hold_is_in_the_archive(store: Store) -> None:
    parts = _archived(store, _TOLD, 14)
    row = _TOLD[2].row
    right, wrong = (content_digest(row.topic, row.key, value) for value in (row.value, row.value + b" "))
    assert len(right) == 16
    for unread, found in (
        ({3: (right, "accounts/0, offset 2")}, []),
        ({3: (wrong, "accounts/0, offset 2")}, [f"topics accounts/0, offset 2: {_FOUND}"]),
        ({15: (right, "there")}, ["topics there: its event 0-15 is not in the archive of the log"]),
    ):
        noted: Unread = dict(unread)
        assert (await _run(ArchivedShard(parts, store, noted, {})))[0] == found


def _altered(said: dict[str, Any]) -> None:
    said["parts"][0]["rows"] += 1


def _added(said: dict[str, Any]) -> None:
    said["parts"].append(said["parts"][0] | {"file": "more"})


_SAYS = "the manifest does not say of shard-06 what the database says"


@pytest.mark.parametrize(
    ("change", "is_noted", "found"),
    (
        (None, True, []),
        (lambda said: said["parts"].clear(), True, [_SAYS]),
        (_altered, True, [_SAYS]),
        (_added, True, ["the manifest names more, which the database does not know"]),
        (_altered, False, ["the manifest is altered: it has another SHA-256"]),
        ("gone", False, ["one is missing in the archive"]),
    ),
)
async def test_manifests(
    monkeypatch: pytest.MonkeyPatch,
    store: Store,
    tmp_path: Path,
    change: Callable[[dict[str, Any]], None] | str | None,
    is_noted: bool,
    found: list[str],
) -> None:
    noted = []
    for part, name in zip(_archived(store, _TOLD, 6, 14), ("one", "two"), strict=True):
        written = render_manifest("here", 0, [part])
        said = orjson.loads(written)
        if callable(change) and name == "one":
            change(said)
        altered = orjson.dumps(said)
        store.write(name, altered)
        noted.append(replace(part, manifest=name, manifest_sha256=sha256(altered if is_noted else written).digest()))
    if change == "gone":
        (tmp_path / "one").unlink()
    if not is_noted:
        # The second is as it was: it is looked at all the same.
        store.write("two", render_manifest("here", 0, [noted[1]]))
        noted.append(replace(noted[1], file="unnamed", manifest="two"))
        found = [*found, "the manifest does not say of unnamed what the database says"]

    async def parts_of(_: Any) -> dict[int, list[Part]]:
        return {0: noted[:1], 1: noted[1:]}

    monkeypatch.setattr(module, "parts_of", parts_of)
    nobody = cast("AsyncConnection", None)
    assert [one.trouble async for one in manifest_findings(nobody, store)] == found
