"""A server of questions, as a process of its own, and what asks it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from tests.support.installations import Installation, Worker
from tests.support.waiting import patience
from tests.support.warm import start_warm


@dataclass
class Server(Worker):
    """A process of `whopays serve`, which answers at `url`."""

    url: str = ""

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        where = httpx.URL(self.url)
        assert where.port is not None
        return where.host, where.port


@asynccontextmanager
async def serving(
    installation: Installation, *arguments: str, module: str = "cli", **environment: str
) -> AsyncIterator[Server]:
    """Yield a server of an installation, on a free port unless `--port` is said; it is killed at the end.

    `module` runs instead of the command line, with its arguments.
    """
    server, reader = await _start(installation, module, *arguments, **environment)
    try:
        yield server
    finally:
        await server.kill()
        await reader


@asynccontextmanager
async def asking(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    """Yield what asks a server."""
    async with httpx.AsyncClient(base_url=server.url, timeout=patience(30), trust_env=False) as client:
        yield client


async def _start(
    installation: Installation, module: str, *arguments: str, **environment: str
) -> tuple[Server, asyncio.Task[None]]:
    line = ["serve", *(() if "--port" in arguments else ("--port", "0")), "--json", *arguments]
    process = await start_warm(module, line, installation.environment(**environment))
    server = Server(process)
    reader = asyncio.create_task(server.read())
    announced = await asyncio.wait_for(process.stdout.readline(), patience(60))
    if not announced:
        await reader
        raise AssertionError("the server did not start:\n" + "\n".join(server.lines[-20:]))
    server.url = json.loads(announced)["url"]
    return server, reader
