"""Real PostgreSQL servers, a primary and a standby of it, that speak TLS with certificates made on the spot.

The embedded server is built without TLS, so each has in front of it what ends the encryption, as its own port would.
"""

import asyncio
import os
import shutil
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from embedded.data_folder import DataFolder
from embedded.ports import LOOPBACK
from embedded.postgresql import DATABASE, USER, PostgreSQL
from embedded.processes import Process
from tests.support.certificates import Authority
from tests.support.folders import temporary_folder

HOST = "localhost"
"""The only name in the servers' certificate; they can also be reached by an address, which is not in it."""

CLIENT = "billing-client"
"""The name in the client's certificate."""


@dataclass(frozen=True)
class TlsServers:
    """Two servers: their ports, the password, and a folder with certificates.

    `seen` says of each connection how it was encrypted, and which name the client's certificate bore, if any.
    """

    folder: Path
    password: str
    primary: int
    standby: int
    seen: list[tuple[str | None, str | None]]

    def address(self, hosts: str, parameters: str = "", database: str = DATABASE) -> str:
        """Return the address of the database on these hosts."""
        return f"postgresql://{USER}:{self.password}@{hosts}/{database}?{parameters}"

    def file(self, name: str) -> Path:
        """Return the path of `ca.pem`, `other-ca.pem`, `client.pem`, or `client.key`."""
        return self.folder / name


@contextmanager
def tls_servers() -> Iterator[TlsServers]:
    """Start both servers for the length of the block."""
    with temporary_folder() as folder, ExitStack() as running:
        _make_certificates(folder)
        ours, copied = (DataFolder(folder / name, print) for name in ("primary", "standby"))
        primary, standby = (PostgreSQL(one, durable=False, settings={}) for one in (ours, copied))
        for one in (ours, copied):
            one.acquire()
            running.callback(one.release)
        program = primary.preparation()
        assert program is not None
        Process(program).run_to_end(120)
        primary.prepared()
        # Copied before its first start, these are the data of a standby that waits for its primary's log.
        data, copy = ours.path / "postgresql", copied.path / "postgresql"
        shutil.copytree(data, copy)
        (copy / "standby.signal").touch()
        for path in (copy, *copy.rglob("*")):
            os.chown(path, data.stat().st_uid, data.stat().st_gid)
        for server in (primary, standby):
            running.callback(server.stop)
            server.launch()
        primary.wait_until_ready()
        primary.create_database()
        seen: list[tuple[str | None, str | None]] = []
        ends = [
            running.enter_context(_tls_in_front_of(server.ports["postgresql_port"], folder, seen))
            for server in (primary, standby)
        ]
        yield TlsServers(folder, ours.password(), ends[0], ends[1], seen)


@contextmanager
def _tls_in_front_of(port: int, folder: Path, seen: list[tuple[str | None, str | None]]) -> Iterator[int]:
    """Yield the port of what ends TLS, or takes what is not encrypted, and passes it on; in a thread of its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    context.load_verify_locations(folder / "ca.pem")
    context.verify_mode = ssl.CERT_OPTIONAL
    loop = asyncio.new_event_loop()
    end = _End(port, context, seen)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(end.start(), loop).result()
    finally:
        asyncio.run_coroutine_threadsafe(end.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@dataclass
class _End:
    port: int
    context: ssl.SSLContext
    seen: list[tuple[str | None, str | None]]
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._accept, LOOPBACK, 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        self._server.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        with suppress(OSError, EOFError, asyncio.CancelledError):
            await self._serve(reader, writer)
        self.tasks.discard(task)
        writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.readexactly(8)
        if first == _SSL_REQUEST:
            writer.write(b"S")
            await writer.start_tls(self.context)
            first = b""
        encrypted: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
        shown: Any = encrypted.getpeercert() if encrypted else None
        subject = dict(part[0] for part in shown["subject"]) if shown else {}
        self.seen.append((encrypted.version() if encrypted else None, subject.get("commonName")))
        to_server, from_server = await asyncio.open_connection(LOOPBACK, self.port)
        from_server.write(first)
        ways = [asyncio.create_task(_pass_on(*way)) for way in ((reader, from_server), (to_server, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            from_server.transport.abort()
            for way in ways:
                way.cancel()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(2**16):
            writer.write(data)
            await writer.drain()


def _make_certificates(folder: Path) -> None:
    authority = Authority("authority")
    (folder / "ca.pem").write_bytes(authority.certificate)
    (folder / "other-ca.pem").write_bytes(Authority("another authority").certificate)
    for name, subject in (("server", HOST), ("client", CLIENT)):
        certificate, key = authority.issue(subject)
        (folder / f"{name}.pem").write_bytes(certificate)
        (folder / f"{name}.key").write_bytes(key)
        (folder / f"{name}.key").chmod(0o600)


_SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")
