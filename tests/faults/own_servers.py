"""Servers that a test may break, each in its own data folder, and so perhaps on its own disk."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

import asyncpg
import psutil

from embedded import Addresses
from embedded.data_folder import DataFolder
from embedded.kafka import Kafka
from embedded.postgresql import PostgreSQL
from embedded.processes import Process
from embedded.server import Server
from tests.support.folders import temporary_folder
from tests.support.installations import Installation, create_template, installed
from tests.support.tokens import TokenIssuer
from tests.support.waiting import until

AnyServer = TypeVar("AnyServer", bound=Server)

_PREPARE_SECONDS = 120
_END_SECONDS = 60
_ACCEPT_SECONDS = 120


class Breakable(Generic[AnyServer]):
    """A running server that can be killed, paused, and started again, on the same ports and with the same data."""

    def __init__(self, folder: DataFolder, server: AnyServer) -> None:
        self.folder = folder
        self.server = server
        self._known: set[psutil.Process] = set()

    async def start(self) -> None:
        """Start the server in a folder that nobody uses, for the first time."""
        await asyncio.to_thread(self.folder.acquire)
        await self.prepare()
        await self.launch()
        await self.wait_until_ready()

    async def prepare(self) -> None:
        """Create the data in an acquired folder."""
        await asyncio.to_thread(self._prepare)

    async def launch(self) -> None:
        """Start the server without waiting for it."""
        await asyncio.to_thread(self.server.launch)

    async def wait_until_ready(self) -> None:
        """Wait until the launched server answers."""
        await asyncio.to_thread(self.server.wait_until_ready)

    def processes(self) -> list[psutil.Process]:
        """Return the server's running processes, starting with the parent of all others."""
        found: list[psutil.Process] = []
        with suppress(psutil.NoSuchProcess):
            found = psutil.Process(self.server.supervisor_id).children(recursive=True)
        self._known |= set(found)
        return found

    def kill(self) -> None:
        """Kill the whole server (SIGKILL), all its processes at once."""
        processes = self.processes()
        for signalled in (psutil.Process.suspend, psutil.Process.kill):
            signal_all(signalled, processes)

    def kill_first(self) -> None:
        """Kill only the process that is the parent of all others."""
        self.processes()[0].kill()

    async def pause(self, seconds: float) -> None:
        """Pause all processes (SIGSTOP) for so long."""
        processes = self.processes()
        signal_all(psutil.Process.suspend, processes)
        try:
            await asyncio.sleep(seconds)
        finally:
            signal_all(psutil.Process.resume, processes)

    async def ended(self) -> None:
        """Wait until the server has ended by itself."""

        async def look() -> bool:
            self.processes()
            return self.server.has_ended

        await until(look, f"the end of {self.server.name}", _ACCEPT_SECONDS)

    async def start_again(self) -> None:
        """Start the ended server and wait until it answers."""
        await self.relaunch()
        await self.wait_until_ready()

    async def restart(self) -> None:
        """Stop the server cleanly, and start it."""
        await asyncio.to_thread(self.server.stop)
        await self.launch()
        await self.wait_until_ready()

    async def relaunch(self) -> None:
        """Start the ended server again. None of its processes may still be alive: two on the same data destroy it."""
        await until(self._have_all_ended, f"the end of {self.server.name}", _END_SECONDS)
        self._known.clear()
        await asyncio.to_thread(self.server.stop)
        await self.launch()

    async def mend(self) -> None:
        """Get it running again, whatever a test left of it."""
        signal_all(psutil.Process.resume, self.processes())
        if self.server.has_ended:
            await self.start_again()

    async def close(self) -> None:
        """End the server, whose data nobody needs any more."""
        self.kill()
        await asyncio.to_thread(self.server.stop)
        self.folder.release()

    def _prepare(self) -> None:
        if isinstance(self.server, Kafka):
            self.server.fetch_libraries()
        program = self.server.preparation()
        if program is not None:
            Process(program).run_to_end(_PREPARE_SECONDS)
            self.server.prepared()

    async def _have_all_ended(self) -> bool:
        return all(map(has_ended, self._known))


def has_ended(process: psutil.Process) -> bool:
    """Return whether a process has ended, even if its parent has not waited for it yet."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@dataclass
class OwnServers:
    """A PostgreSQL, which waits for its disk as it does in production, and a Kafka."""

    postgresql: Breakable[PostgreSQL]
    kafka: Breakable[Kafka]
    template: str = ""

    @property
    def addresses(self) -> Addresses:
        """Their addresses."""
        return Addresses(self.postgresql.server.database_url, self.kafka_address)

    @property
    def kafka_address(self) -> str:
        """The broker's address."""
        return self.kafka.server.bootstrap_servers

    @property
    def servers(self) -> tuple[Breakable[PostgreSQL], Breakable[Kafka]]:
        """Both."""
        return self.postgresql, self.kafka

    @asynccontextmanager
    async def installation(
        self, bootstrap_servers: str | None = None, issuer: TokenIssuer | None = None
    ) -> AsyncIterator[Installation]:
        """Yield an installation on them, or on other brokers, with no process running yet.

        With an issuer, it checks tokens. Afterwards the servers run again, whatever happened.
        """
        self.template = self.template or await create_template(self.addresses)
        addresses = replace(self.addresses, kafka_bootstrap_servers=bootstrap_servers or self.kafka_address)
        async with installed(addresses, self.template, roles=(), issuer=issuer) as made:
            try:
                yield made
            finally:
                for server in self.servers:
                    await server.mend()
                await self.accepting()

    async def accepting(self) -> None:
        """Wait until PostgreSQL accepts connections."""

        async def look() -> bool:
            try:
                await (await self.connect()).close()
            except (OSError, asyncpg.PostgresError):
                return False
            return True

        await until(look, "a connection to PostgreSQL", _ACCEPT_SECONDS)

    async def connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        """Return a session of the test's own."""
        return await asyncpg.connect(self.addresses.database_url.replace("+asyncpg", ""))


def signal_all(signalled: object, processes: Sequence[psutil.Process]) -> None:
    """Call a signalling method of psutil on all processes that are still alive."""
    assert callable(signalled)
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            signalled(process)


@asynccontextmanager
async def own_servers(
    *,
    postgresql_folder: Path | None = None,
    kafka_folder: Path | None = None,
    postgresql_settings: Mapping[str, str] | None = None,
    kafka_settings: Mapping[str, str] | None = None,
) -> AsyncIterator[OwnServers]:
    """Start both servers, in the folders given or in temporary ones."""
    async with AsyncExitStack() as stack:
        temporary = stack.enter_context(temporary_folder())
        for_database = DataFolder(postgresql_folder or temporary / "database", print)
        for_broker = DataFolder(kafka_folder or temporary / "broker", print)
        made = OwnServers(
            Breakable(for_database, PostgreSQL(for_database, durable=True, settings=postgresql_settings or {})),
            Breakable(for_broker, Kafka(for_broker, settings=kafka_settings or {}, report=print)),
        )
        await asyncio.gather(*(server.start() for server in made.servers))
        for server in made.servers:
            stack.push_async_callback(server.close)
        await asyncio.to_thread(made.postgresql.server.create_database)
        yield made
