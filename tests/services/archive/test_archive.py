"""What is archived is the log, byte for byte, wherever it is read; and whatever is wrong with it is found."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cramjam
import orjson
import pytest
import pytest_asyncio
from pydantic import SecretStr
from sqlalchemy import text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from audit.archived import ArchivedShard, manifest_findings
from audit.installation import lacks_archive
from audit.log_story import Story
from audit.output_topics import Missing, Published
from db.archive.catalog import Part, next_due, parts_of, take_out
from db.archive.checking import index_of, rows_in
from db.archive.files import FileWriter
from db.archive.reading import History
from db.archive.store import Store
from db.archive.trouble import ArchiveDamaged, ArchiveNotConfigured
from db.audit import log_rows
from db.history import Keys
from db.shard_ranges import ShardRange
from db.tables.of_the_archive import archived_log
from schemas.topics import OUTPUT_TOPICS
from tests.services.archive.small import archive_all, archive_next, exported, rows_in_table
from tests.services.audit.auditing import findings_of
from tests.services.http.served import serving
from tests.support.command_line import whopays_of
from tests.support.installations import Installation

_LAST = datetime.max.replace(tzinfo=UTC)
_ALL = Keys(tuple(OUTPUT_TOPICS))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the archive is."""
    return tmp_path_factory.mktemp("archive")


@pytest_asyncio.fixture(scope="module")
async def archived(told: Installation, folder: Path) -> Installation:
    """The installation after all that may go was archived, part of it while it was read."""
    there = replace(told, settings=told.settings.model_copy(update={"archive_url": SecretStr(str(folder))}))
    store, engine = Store(str(folder)), told.engine
    before, places = await exported(engine, None), await rows_in_table(engine)
    await _refuses_what_must_stay(engine, store, there.settings.installation)
    await _keeps_what_is_not_written_whole(engine, folder, there.settings.installation)
    assert await rows_in_table(engine) == places
    await _reads_what_goes_meanwhile(engine, store, there.settings.installation)
    await archive_all(engine, store, there.settings.installation)
    left = await rows_in_table(engine)
    noted = {
        (part.shard, position)
        for of_shard in (await _parts(engine)).values()
        for part in of_shard
        for position in range(part.first_position, part.last_position + 1)
    }
    assert noted
    assert left | noted == places
    assert not left & noted
    assert await exported(engine, store) == before
    with pytest.raises(ArchiveNotConfigured, match="WHOPAYS_ARCHIVE_URL"):
        await exported(engine, None)
    return there


async def test_nothing_is_wrong_with_what_is_archived(archived: Installation) -> None:
    assert await findings_of(archived) == []
    without = replace(archived, settings=archived.settings.model_copy(update={"archive_url": None}))
    assert await findings_of(without) == []
    assert [await lacks_archive(one.engine, one.settings) for one in (archived, without)] == [False, True]


async def test_every_manifest_that_is_damaged_is_named(archived: Installation, folder: Path, tmp_path: Path) -> None:
    copied = tmp_path / "archive"
    shutil.copytree(folder, copied)
    manifests = _files(copied, "manifest-*.json")
    assert len(manifests) > 1
    for manifest in manifests:
        manifest.write_bytes(manifest.read_bytes() + b" ")
    found = [finding async for finding in _looked_at(archived.engine, copied)]
    assert sorted(finding.place for finding in found) == sorted(str(one.relative_to(copied)) for one in manifests)


async def test_other_programs_read_the_files(archived: Installation, folder: Path) -> None:
    lines = set(await exported(archived.engine, Store(str(folder))))
    for file in _files(folder, "*.zst"):
        for line in bytes(cramjam.zstd.decompress(file.read_bytes())).splitlines():
            assert orjson.dumps(orjson.loads(line)[:7], option=orjson.OPT_APPEND_NEWLINE) in lines
    (manifest, *_) = _files(folder, "manifest-*.json")
    said = json.loads(manifest.read_bytes())
    assert said["format"] == "whopays-log-archive/1"
    assert said["rows"] == sum(part["lastPosition"] - part["firstPosition"] + 1 for part in said["parts"])
    assert not _files(folder, "*.unfinished")


async def test_results_are_found_where_their_events_are(archived: Installation, folder: Path) -> None:
    """Of a command whose event is archived, and of one whose event is not; on the command line and over HTTP."""
    engine = archived.engine
    places = await rows_in_table(engine)
    async with engine.connect() as connection:
        asked = text("SELECT organization, source, command_id, shard, position FROM inbox ORDER BY shard, position")
        commands = (await connection.execute(asked)).all()
    gone = [row for row in commands if (row.shard, row.position) not in places]
    assert gone
    assert len(gone) < len(commands)
    async with serving(engine, archived.settings) as here:
        for row in (*gone[:3], commands[-1]):
            path = f"/v1/organizations/{row.organization}/results"
            answered = await here.client.get(path, params={"id": row.command_id, "source": row.source})
            assert answered.status_code == 200, answered.text
            (item,) = answered.json()["items"]
            assert (item["commandId"], item["eventId"]) == (row.command_id, f"{row.shard}-{row.position}")
        without = await here.client.get("/v1/organizations/acme/results", params={"id": "never"})
        assert without.status_code == 404
    lost = archived.settings.model_copy(update={"archive_url": None})
    away = archived.settings.model_copy(update={"archive_url": SecretStr("nowhere://secret")})
    row = gone[0]
    path = f"/v1/organizations/{row.organization}/results"
    for settings, status, words in (lost, 404, "is archived"), (away, 503, "cannot be reached"):
        async with serving(engine, settings) as here:
            answered = await here.client.get(path, params={"id": row.command_id})
            assert answered.status_code == status, answered.text
            assert words in answered.text
            assert "secret" not in answered.text
    whopays = whopays_of(archived)
    said = await whopays("result", row.organization, row.command_id, "--json", WHOPAYS_ARCHIVE_URL=str(folder))
    assert said.expect(0).document[0]["id"] == f"{row.shard}-{row.position}"
    whopays = whopays_of(replace(archived, settings=lost))
    nowhere = await whopays("result", row.organization, row.command_id)
    assert "Its result is in the archive of the log: WHOPAYS_ARCHIVE_URL must say where" in nowhere.expect(1).err
    row = commands[-1]
    kept = await whopays("result", row.organization, row.command_id, "--json")
    assert kept.expect(0).document[0]["id"] == f"{row.shard}-{row.position}"


async def test_what_stays_can_go_on(archived: Installation) -> None:
    """A shard in which nothing was said can still write to the first partition."""
    async with archived.engine.connect() as connection:
        await connection.begin()
        await connection.execute(
            text("INSERT INTO log SELECT shard, 1, now(), 't', 'k', 'v', 'h' FROM shards WHERE position = 0 LIMIT 1")
        )
        await connection.rollback()


async def test_each_planted_damage_is_found(archived: Installation, folder: Path, tmp_path: Path) -> None:
    engine = archived.engine
    part = max((part for of in (await _parts(engine)).values() for part in of), key=lambda one: one.rows)
    assert [one async for one in _looked_at(engine, folder)] == []
    for number, (words, damage) in enumerate(_DAMAGES.items()):
        copied = tmp_path / str(number)
        shutil.copytree(folder, copied)
        damage(copied, part)
        found = [str(one) async for one in _looked_at(engine, copied)]
        assert any(words in one for one in found), (words, found)


async def test_what_the_database_says_wrongly_is_found(archived: Installation, folder: Path, tmp_path: Path) -> None:
    """Somebody who may write to the database makes its row agree with a forged file."""
    engine, store = archived.engine, Store(str(tmp_path))
    part = max((part for of in (await _parts(engine)).values() for part in of), key=lambda one: one.rows)
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    rows = [row for block in index_of(store, part).blocks for row in rows_in(store, part, block)]
    assert len(rows) > 1
    places = [one.row.position for one in rows]
    swapped = [one._replace(row=one.row._replace(position=at)) for one, at in zip(reversed(rows), places, strict=True)]
    altered = [one._replace(row=one.row._replace(value=one.row.value.replace(b"e", b"E"))) for one in rows]
    for words, forged in {"its hash does not match": swapped, "hash": altered, "the database says": rows[:-1]}.items():
        writer = FileWriter()
        content = b"".join([*writer.add(forged), *writer.end()])
        (tmp_path / part.file).write_bytes(content)
        lying = replace(
            part, size=writer.size, sha256=writer.sha256, index_size=writer.index_size, index_sha256=writer.index_sha256
        )
        found = [str(one) async for one in _looked_at(engine, tmp_path, lying)]
        assert any(words in one for one in found), (words, found)
        assert any("does not say" in one for one in found), found
    gone = replace(part, first_position=part.first_position + 1)
    found = [str(one) async for one in _looked_at(engine, folder, gone)]
    assert any("does not say" in one for one in found), found


async def test_an_audit_of_the_whole_finds_a_missing_file(archived: Installation, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    (first, *_) = _files(tmp_path, "*.zst")
    first.unlink()
    there = archived.settings.model_copy(update={"archive_url": SecretStr(str(tmp_path))})
    found = [str(one) for one in await findings_of(replace(archived, settings=there))]
    assert len(found) == 1, found
    assert "is missing in the archive" in found[0]


async def _refuses_what_must_stay(engine: AsyncEngine, store: Store, installation: str) -> None:
    """The database itself looks whether rows may go, whoever asks."""
    async with engine.connect() as connection:
        due = await next_due(connection, _LAST)
        assert due is not None
        assert await next_due(connection, datetime.min.replace(tzinfo=UTC)) is None
    shard, (after, last, _) = next(iter(due.spans.items()))
    part = Part(shard, after + 1, last, _LAST, _LAST, b"", b"", "file", 1, b"", 1, b"", "manifest", b"")
    async with engine.connect() as connection:
        (hash_,) = [row.hash async for row, _ in log_rows(connection, shard) if row.position == last]
    for words, wrong in {
        "does not end with the row": part,
        "goes on at": replace(part, last_hash=hash_, first_position=after + 2),
        "is not what log_p0 holds": replace(part, last_hash=hash_, last_position=last - 1),
    }.items():
        with pytest.raises(DBAPIError, match=words):
            async with engine.begin() as connection:
                await take_out(connection, due.number, [wrong])
    async with engine.connect() as connection:
        await connection.execute(text("UPDATE published SET position = :last"), {"last": last})
        with pytest.raises(DBAPIError, match="is not published beyond"):
            await take_out(connection, due.number, [replace(part, last_hash=hash_)])


async def _keeps_what_is_not_written_whole(engine: AsyncEngine, folder: Path, installation: str) -> None:
    """A storage that says it has written what it has not."""

    class _Cutting(Store):
        def __init__(self, url: str, ending: str) -> None:
            super().__init__(url)
            self._ending = ending

        def create(self, name: str) -> Any:
            file = super().create(name)
            if name.endswith(self._ending):
                file.write = lambda data: type(file).write(file, data[: len(data) // 2])  # type: ignore[method-assign]
            return file

    for ending in (".zst", ".json"):
        with pytest.raises(ArchiveDamaged):
            await archive_next(engine, _Cutting(str(folder), ending), installation)


async def _reads_what_goes_meanwhile(engine: AsyncEngine, store: Store, installation: str) -> None:
    """Read each shard some rows at a time; between any two, another partition goes."""
    heads = {}
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        for row in await connection.execute(text("SELECT shard, position FROM shards WHERE position > 0")):
            heads[row.shard] = row.position
        history = History(connection, store)
        reached = dict.fromkeys(heads, 0)
        seen: dict[int, list[int]] = {shard: [] for shard in heads}
        while left := [shard for shard in heads if reached[shard] < heads[shard]]:
            for shard in left:
                page = await history.rows_after(shard, reached[shard], heads[shard], _ALL, 3)
                seen[shard] += [row.position for row in page.rows]
                reached[shard] = page.reached
            await archive_next(engine, store, installation)
        assert seen == {shard: list(range(1, head + 1)) for shard, head in heads.items()}
        for shard, head in heads.items():
            at = list(range(1, head + 1, 2))
            assert [row.position for row in await history.rows_at(shard, at)] == at


def _files(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.rglob(pattern))


async def _parts(engine: AsyncEngine) -> dict[int, list[Part]]:
    async with engine.connect() as connection:
        return await parts_of(connection)


async def _looked_at(engine: AsyncEngine, folder: Path, lying: Part | None = None) -> Any:
    """Yield what an audit finds in the archive; with a row of the database that says something else."""
    store = Store(str(folder))
    async with engine.connect() as connection:
        if lying is not None:
            lie = update(archived_log).where(
                archived_log.c.shard == lying.shard, archived_log.c.last_position == lying.last_position
            )
            names = ("first_position", "size", "sha256", "index_size", "index_sha256")
            await connection.execute(lie.values({name: getattr(lying, name) for name in names}))
        async for finding in manifest_findings(connection, store):
            yield finding
        for shard, parts in (await parts_of(connection)).items():
            missing = Missing(Published(), 0, None, datetime.now(UTC))
            async for finding in ArchivedShard(parts, store, {}, {}).run(
                Story(shard, ShardRange(0, 48)), missing, lambda _: None
            ):
                yield finding
        await connection.rollback()


def _changed(place: Callable[[Part], int]) -> Callable[[Path, Part], None]:
    def change(folder: Path, part: Part) -> None:
        file = folder / part.file
        content = bytearray(file.read_bytes())
        content[place(part)] ^= 1
        file.write_bytes(content)

    return change


def _cut(folder: Path, part: Part) -> None:
    file = folder / part.file
    file.write_bytes(file.read_bytes()[:-1])


def _exchanged(folder: Path, part: Part) -> None:
    other = next(one for one in folder.rglob("*.zst") if not str(one).endswith(part.file))
    shutil.copy(other, folder / part.file)


def _forged(folder: Path, part: Part) -> None:
    file = folder / part.manifest
    said = json.loads(file.read_bytes())
    said["parts"][0]["rows"] += 1
    file.write_bytes(orjson.dumps(said))


_DAMAGES: dict[str, Callable[[Path, Part], None]] = {
    "is missing in the archive": lambda folder, part: (folder / part.file).unlink(),
    "manifest-": lambda folder, part: (folder / part.manifest).unlink(),
    "is cut or altered": _cut,
    "cut or altered: positions": _changed(lambda _: 40),
    "the index of": _changed(lambda part: part.size - 20),
    "is cut": _exchanged,
    "the manifest is altered": _forged,
}
"""What is found, and what was done to a copy of the archive."""
