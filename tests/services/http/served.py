"""A server of questions in the process of the tests, on a database of their own."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import create_engine
from embedded import Addresses
from service.app import make_app
from service.serving import _config, _Server
from tests.support.installations import database
from tests.support.waiting import patience
from workers.runtime.settings import Settings


@dataclass
class Served:
    """A server: its database, its address, and a client of it."""

    engine: AsyncEngine
    settings: Settings
    client: httpx.AsyncClient
    server: _Server
    serving: "asyncio.Task[None]"

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self.client.base_url.port or 0


@asynccontextmanager
async def served(addresses: Addresses, template: str, **settings: object) -> AsyncIterator[Served]:
    """Yield a server with a database of its own."""
    async with database(addresses, template) as (name, url):
        engine = create_engine(url)
        try:
            chosen: Any = {"auth": "trusted", **settings}
            async with serving(engine, Settings(database_url=url, installation=name, **chosen)) as made:
                yield made
        finally:
            await engine.dispose()


@asynccontextmanager
async def serving(engine: AsyncEngine, settings: Settings) -> AsyncIterator[Served]:
    """Yield a server on a database."""
    stopping, ready = asyncio.Event(), asyncio.Event()
    server = _Server(_config(make_app(settings, stopping), settings), stopping)
    server.on_ready = ready.set
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.setblocking(False)
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await asyncio.wait_for(ready.wait(), patience(30))
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            async with httpx.AsyncClient(base_url=url, timeout=patience(30), trust_env=False) as client:
                yield Served(engine, settings, client, server, running)
        finally:
            if not server.should_exit:
                server.stop()  # told a second time it leaves at once, and what it had begun to whoever collects garbage
            await running
