"""A replica: an embedded PostgreSQL that follows another by streaming replication, and answers meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import make_url

from embedded.data_folder import DataFolder
from embedded.postgresql import PostgreSQL
from embedded.processes import Process, Program

_PREPARE_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Replicated:
    """A server, and one that follows it: the addresses of the database that each of them has."""

    primary_url: str
    replica_url: str


@asynccontextmanager
async def replicated(folder: Path) -> AsyncIterator[Replicated]:
    """Start a PostgreSQL and a replica of it, in a folder; the data are lost with the machine."""
    async with _started(folder / "primary") as primary:
        await asyncio.to_thread(primary.create_database)
        url = make_url(primary.database_url)
        async with _started(folder / "replica", follows=primary) as replica:
            port = replica.ports["postgresql_port"]
            yield Replicated(primary.database_url, url.set(port=port).render_as_string(hide_password=False))


@asynccontextmanager
async def _started(path: Path, *, follows: PostgreSQL | None = None) -> AsyncIterator[PostgreSQL]:
    folder = DataFolder(path, print)
    await asyncio.to_thread(folder.acquire)
    try:
        server = PostgreSQL(folder, durable=False, settings={"max_connections": "60"})
        program = server.preparation() if follows is None else _copying(server, follows)
        assert program is not None
        await asyncio.to_thread(Process(program).run_to_end, _PREPARE_SECONDS)
        if follows is None:
            server.prepared()
        await asyncio.to_thread(server.launch)
        try:
            await asyncio.to_thread(server.wait_until_ready)
            yield server
        finally:
            await asyncio.to_thread(server.stop)
    finally:
        folder.release()


def _copying(replica: PostgreSQL, primary: PostgreSQL) -> Program:
    """Return what copies a running server's data, so that what starts with them follows that server."""
    address = make_url(primary.database_url).set(drivername="postgresql", database="postgres")
    return replica._as_program(
        "pg_basebackup", "--pgdata", "postgresql", "--write-recovery-conf", "--no-sync", "--checkpoint=fast",
        "--wal-method=stream", "--dbname", address.render_as_string(hide_password=False),
    )  # fmt: skip
