"""Installations for tests: each with a database, topics and consumer groups of its own, on the shared servers."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import asyncpg
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import create_engine
from db.migrate import migrate
from db.sealing import LocalKeys
from embedded import Addresses
from embedded.ports import free_ports
from tests.support.processes import DIE_WITH_PARENT
from tests.support.waiting import patience, until
from tests.support.warm import WarmProcess, start_warm
from workers.runtime.roles import ALL_ROLES, Role
from workers.runtime.settings import Settings
from workers.topics.plan import create_topics

if TYPE_CHECKING:
    from tests.support.tokens import TokenIssuer

TEMPLATE_INSTALLATION = "template"
READY = "started"
KEYS = '{"test": "YSBrZXkgZm9yIHRocm93LWF3YXkgdGVzdCBkYXRhISE="}'
"""A key-encryption key for throwaway data."""


@dataclass
class Worker:
    """A process of whopays that a test started."""

    process: asyncio.subprocess.Process | WarmProcess
    lines: list[str] = field(default_factory=list)
    started: asyncio.Event = field(default_factory=asyncio.Event)

    async def kill(self) -> None:
        """End the process by SIGKILL."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)
        await self.process.wait()

    async def stop(self) -> int:
        """Ask the process to end (SIGTERM) and return its exit status."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        return await self.process.wait()

    async def ended(self) -> int:
        """Wait until the process has ended by itself, and return its exit status."""
        try:
            return await asyncio.wait_for(self.process.wait(), patience(60))
        except TimeoutError:
            raise AssertionError("the worker goes on:\n" + "\n".join(self.lines[-20:])) from None

    async def logged(self, words: str) -> str:
        """Wait until the process has logged a line with these words, and return the line."""

        async def look() -> str | None:
            return next((line for line in self.lines if words in line), None)

        return await until(look, f'"{words}" in the log of a worker')

    async def read(self) -> None:
        """Collect what the process logs, and notice when it has started."""
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.lines.append(line.decode(errors="replace").rstrip())
            if f'"{READY}"' in self.lines[-1]:
                self.started.set()


@dataclass
class Installation:
    """An installation; `settings` are those that its processes run with.

    With an `issuer`, they let in who has a token of it.
    """

    settings: Settings
    engine: AsyncEngine
    issuer: "TokenIssuer | None" = None
    workers: list[Worker] = field(default_factory=list)
    readers: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def kafka_bootstrap_servers(self) -> str:
        """The address of the broker."""
        return self.settings.kafka_bootstrap_servers

    @property
    def prefix(self) -> str:
        """The prefix of the topics' names."""
        return self.settings.topic_prefix

    @property
    def keys(self) -> LocalKeys:
        """The keys that open personal data."""
        return self.settings.keys()

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment for a process of this installation."""
        settings = {
            f"WHOPAYS_{name.upper()}": json.dumps(value) if isinstance(value, dict) else str(value)
            for name, value in self.settings.model_dump(mode="json", exclude_defaults=True).items()
            if name != "encryption_keys"
        }
        return {**os.environ, **settings, "WHOPAYS_ENCRYPTION_KEYS": KEYS, **more}

    async def start(self, *roles: Role, module: str = "cli", folder: str = "", **more: str) -> Worker:
        """Start a process with these roles (all if none is named), and wait until it has started.

        `module` runs instead of the command line, with its arguments; with a `folder`, the code that lies there. `more`
        are environment variables.
        """
        worker = await self.launch(*roles, module=module, folder=folder, **more)
        reader = self.readers[-1]
        started = asyncio.create_task(worker.started.wait())
        await asyncio.wait([started, reader], return_when=asyncio.FIRST_COMPLETED, timeout=patience(60))
        started.cancel()
        if not worker.started.is_set():
            raise AssertionError("the worker did not start:\n" + "\n".join(worker.lines[-20:]))
        return worker

    async def launch(self, *roles: Role, module: str = "cli", folder: str = "", **more: str) -> Worker:
        """Start a process as `start` does, without waiting for anything."""
        arguments = [argument for role in roles or ALL_ROLES for argument in ("--only", str(role))]
        line, variables = ["run", *arguments], self.environment(**more)
        process: asyncio.subprocess.Process | WarmProcess
        if folder or module in _COLD:
            process = await _start_cold(module, line, variables, folder)
        else:
            process = await start_warm(module, line, variables)
        worker = Worker(process)
        self.workers.append(worker)
        self.readers.append(asyncio.create_task(worker.read()))
        return worker


async def _start_cold(
    module: str, line: Sequence[str], environment: Mapping[str, str], folder: str
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *line, env=environment, cwd=folder or None, preexec_fn=DIE_WITH_PARENT,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


_COLD = frozenset({"tests.faults.jumping_worker"})
"""Modules that change what libraries are to find when they are imported."""


async def create_template(addresses: Addresses, shards: int = Settings().shards) -> str:
    """Create a migrated database that others are copied from, and return its name."""
    name = f"whopays_{uuid4().hex[:12]}"
    await administer(addresses, f'CREATE DATABASE "{name}"')
    engine = create_engine(database_url(addresses, name))
    await migrate(engine, TEMPLATE_INSTALLATION, shards)
    await engine.dispose()
    return name


async def drop_database(addresses: Addresses, name: str) -> None:
    """Drop a database, even if somebody is connected to it."""
    await administer(addresses, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@asynccontextmanager
async def database(addresses: Addresses, template: str) -> AsyncIterator[tuple[str, str]]:
    """Yield the name of a new installation and the address of its database, made from the template."""
    name = f"t{uuid4().hex[:12]}"
    await administer(addresses, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    try:
        url = database_url(addresses, name)
        connection = await _connect(url)
        await connection.execute("UPDATE installation SET name = $1", name)
        await connection.close()
        yield name, url
    finally:
        await drop_database(addresses, name)


@asynccontextmanager
async def installed(
    addresses: Addresses,
    template: str,
    *,
    roles: Sequence[Role] = ALL_ROLES,
    issuer: "TokenIssuer | None" = None,
    **further: Any,
) -> AsyncIterator[Installation]:
    """Yield an installation with its topics, and one running process for the roles, if any; `further` are settings.

    With an issuer, whoever sends a command needs a token of it.
    """
    async with database(addresses, template) as (name, url):
        settings = Settings(
            database_url=url,
            kafka_bootstrap_servers=addresses.kafka_bootstrap_servers,
            installation=name,
            topic_prefix=f"{name}.",
            topic_partitions=3,
            auth="trusted" if issuer is None else "jwt",
            issuers={} if issuer is None else issuer.configured,
            encryption_keys=json.loads(KEYS),
            **further,
        )
        await create_topics(settings)
        installation = Installation(settings, create_engine(url), issuer)
        try:
            if roles:
                await installation.start(*roles)
            yield installation
        finally:
            for worker in installation.workers:
                await worker.kill()
            await asyncio.gather(*installation.readers)
            await installation.engine.dispose()


def free_port() -> int:
    """Return a port of this host on which nobody listens."""
    (port,) = free_ports(1)
    return port


def database_url(addresses: Addresses, name: str) -> str:
    """Return the address of a database on the server."""
    return make_url(addresses.database_url).set(database=name).render_as_string(hide_password=False)


async def administer(addresses: Addresses, statement: str) -> None:
    """Run a statement that is not allowed in a transaction, such as CREATE DATABASE."""
    connection = await _connect(addresses.database_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _connect(url: str) -> asyncpg.Connection:
    return await asyncpg.connect(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False))
