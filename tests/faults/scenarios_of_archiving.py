"""What is done to the archive of the log, by a mutant or not: an audit, and replays, must find it whole."""

import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from string import ascii_lowercase
from tempfile import TemporaryDirectory

import cramjam
from pydantic import SecretStr

from db.archive.catalog import next_due, parts_of
from db.archive.checking import index_of
from db.archive.store import Store
from db.replays import clock
from tests.faults import failpoints
from tests.faults.mutating import PARTITION_VARIABLE
from tests.faults.replaying import comes_to, ended, launched, replay, until_now
from tests.faults.scenarios_of_replaying import spoken
from tests.faults.stage import Scenario, Stage
from tests.services.archive.small import POSITIONS, knowing_small_partitions, shrink
from tests.services.audit.auditing import findings_of
from tests.services.replaying.telling import records_of
from tests.support.installations import Installation, Worker
from tests.support.waiting import until
from workers.runtime.roles import Role

_TAKEN_OUT = "writing.archive_partition: engine.begin left"
_FILE_WRITTEN = "writing._PartWriter.run: asyncio.to_thread (3) after"
_ABOUT_TO_READ = "reading.History.rows_after: _part_at after"
_PACKED_LEVEL = 6


@dataclass
class _Archive:
    """An installation of which much may be archived, and nothing is, and where its archive will be."""

    stage: Stage
    folder: Path

    @property
    def installation(self) -> Installation:
        """The installation as one that knows its archive."""
        there = {"archive_url": SecretStr(str(self.folder))}
        installation = self.stage.installation
        return replace(installation, settings=installation.settings.model_copy(update=there))

    @property
    def settings(self) -> Mapping[str, str]:
        """The same for a process."""
        return {"WHOPAYS_ARCHIVE_URL": str(self.folder)}

    async def begin(self, plan: Mapping[str, str] | None = None) -> Worker:
        """Have a process begin to archive all that may go."""
        settings = {
            **self.settings,
            "WHOPAYS_ARCHIVE_AFTER_DAYS": "0",
            "WHOPAYS_MAINTENANCE_SECONDS": "0.1",
            PARTITION_VARIABLE: str(POSITIONS),
        }
        return await self.stage.start(Role.MAINTENANCE, plan=plan, settings=settings)

    async def is_done(self) -> bool:
        """Return whether all is archived that may go."""
        with knowing_small_partitions():
            async with self.stage.installation.engine.connect() as connection:
                return await next_due(connection, await clock(connection)) is None

    async def all_archived(self) -> None:
        """Archive all that may go."""
        worker = await self.begin()
        await until(self.is_done, "the archive")
        assert await worker.stop() == 0


@asynccontextmanager
async def _archive(stage: Stage) -> AsyncIterator[_Archive]:
    await shrink(stage.installation.engine)
    await spoken(stage.installation)
    with TemporaryDirectory() as folder:
        yield _Archive(stage, Path(folder))


async def _killed_once_rows_are_out(stage: Stage) -> list[str]:
    """What archives is killed right after the first rows have left the log."""
    async with _archive(stage) as archive:
        worker = await archive.begin({_TAKEN_OUT: failpoints.KILL})
        assert await worker.ended() == -signal.SIGKILL
        return list(map(str, await findings_of(archive.installation)))


async def _altered_before_rows_are_out(stage: Stage) -> list[str]:
    """The storage alters a file between its writing and whatever comes next."""
    async with _archive(stage) as archive:
        worker = await archive.begin({_FILE_WRITTEN: failpoints.STOP})
        await worker.logged(failpoints.reached(_FILE_WRITTEN))
        for file in archive.folder.rglob("*.zst"):
            content = bytearray(file.read_bytes())
            content[len(content) // 4] ^= 1
            file.write_bytes(content)
        worker.process.send_signal(signal.SIGCONT)

        async def is_over() -> bool:
            return any("chore_failed" in line for line in worker.lines) or await archive.is_done()

        await until(is_over, "that the archive is done, or refused")
        assert await worker.stop() == 0
        return list(map(str, await findings_of(archive.installation)))


async def _archived_while_it_is_replayed(stage: Stage) -> list[str]:
    """Between a replay's look where the log is, and its reading there, all that may go to the archive goes."""
    async with _archive(stage) as archive:
        words = ("--organization=acme", "--partitions=1", f"--until={await until_now(stage.installation)}")
        status, said = await replay(stage.installation, "start", "whole", *words)
        assert status == 0, said
        reading = await launched(
            stage.installation, "start", "beside", *words,
            plan={_ABOUT_TO_READ: failpoints.STOP}, mutant=stage.mutant, settings=archive.settings,
        )  # fmt: skip
        await comes_to(reading, _ABOUT_TO_READ)
        await archive.all_archived()
        reading.send_signal(signal.SIGCONT)
        status, said = await ended(reading)
        if status != 0:
            return [f"a replay ended with {status}: {said}"]
        beside, whole = [await _replayed(stage.installation, name) for name in ("beside", "whole")]
        return [] if beside == whole else [f"a replay holds {len(beside)} events, not the {len(whole)} of the log"]


async def _forged(stage: Stage) -> list[str]:
    """Somebody alters an event in a file, so that neither its size nor its index tells; then it is replayed."""
    async with _archive(stage) as archive:
        await archive.all_archived()
        await _forge(archive)
        status, said = await replay(
            stage.installation, "start", "forged", mutant=stage.mutant, settings=archive.settings
        )
        if status == 0:
            return ["a forged event was replayed"]
        return [] if "is cut or altered" in said else [f"a replay ended with {status}: {said}"]


async def _replayed(installation: Installation, name: str) -> list[tuple[bytes | None, bytes | None]]:
    (records,) = await records_of(installation, f"{installation.prefix}replay.{name}")
    return [(one.key, one.value) for one in records[:-1]]


async def _forge(archive: _Archive) -> None:
    """Alter a letter of an event, such that the file's only block is compressed to as many bytes as before."""
    async with archive.stage.installation.engine.connect() as connection:
        part = next(iter((await parts_of(connection)).values()))[0]
    (block,) = index_of(Store(str(archive.folder)), part).blocks
    file = archive.folder / part.file
    content = file.read_bytes()
    lines = bytes(cramjam.zstd.decompress(content[: block.length]))
    data = rb"\"data\":"
    begin = lines.index(data) + len(data)
    for at in range(begin, lines.index(b"\n", begin)):
        for letter in ascii_lowercase.encode() if lines[at : at + 1].islower() else b"":
            forged = lines[:at] + bytes([letter]) + lines[at + 1 :]
            packed = bytes(cramjam.zstd.compress(forged, _PACKED_LEVEL))
            if forged != lines and len(packed) == block.length:
                file.write_bytes(packed + content[block.length :])
                return
    raise AssertionError("no letter can be altered so that the block keeps its length")


ARCHIVING: dict[str, Scenario] = {
    "archiving killed once rows are out": _killed_once_rows_are_out,
    "a file altered before rows are out": _altered_before_rows_are_out,
    "archived while it is replayed": _archived_while_it_is_replayed,
    "a forged event in the archive": _forged,
}
