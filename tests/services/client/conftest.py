"""One running installation for all tests of the client that leave it running; each test takes its own organization."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from embedded import Addresses
from tests.services.client.acting import make_topic
from tests.services.client.telling import connection_to
from tests.support.installations import Installation, installed
from whopays_client import Connection, Publisher, SQLiteStore


@pytest_asyncio.fixture(scope="package")
async def shared(services: Addresses, template: str) -> AsyncIterator[Installation]:
    """A running whopays for all tests of the client."""
    async with installed(services, template) as made:
        yield made


@pytest.fixture
def connection(shared: Installation) -> Connection:
    """Where the shared installation is."""
    return connection_to(shared)


@pytest_asyncio.fixture
async def publisher(connection: Connection) -> AsyncIterator[Publisher]:
    """An open publisher of alice's."""
    async with Publisher(connection, "/tests", person="alice", wait_seconds=60) as made:
        yield made


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    """A store in a file, with a table of the reader's own that takes whatever it is given, also twice."""
    made = SQLiteStore(tmp_path / "reader.db")
    connection = sqlite3.connect(tmp_path / "reader.db", isolation_level=None)
    connection.execute("CREATE TABLE seen (subject TEXT, sequence INTEGER)")
    connection.close()
    yield made
    made.close()


@pytest_asyncio.fixture
async def pool(engine: AsyncEngine) -> AsyncIterator[Any]:
    """Connections to a PostgreSQL database with a table of the reader's own."""
    url = engine.url.set(drivername="postgresql")
    async with asyncpg.create_pool(url.render_as_string(hide_password=False), min_size=1, max_size=3) as made:
        await made.execute("CREATE TABLE seen (subject text, sequence bigint)")
        yield made


@pytest_asyncio.fixture
async def stage(services: Addresses) -> Connection:
    """Topics on which only the test speaks."""
    made = Connection(services.kafka_bootstrap_servers, f"s{uuid4().hex[:12]}.")
    await make_topic(made, "bindings", 3)
    return made
