"""Real servers for the whole run, and an installation of its own for each test that wants one."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import create_engine
from embedded import Addresses
from tests.installations import Installation, create_template, database, drop_database, installed
from tests.proxies.ways import Ways, ways_of
from tests.services import servers


@pytest.fixture(scope="session")
def services() -> Iterator[Addresses]:
    """A real PostgreSQL and a real Kafka."""
    with servers() as addresses:
        yield addresses


@pytest_asyncio.fixture(scope="session")
async def template(services: Addresses) -> AsyncIterator[str]:
    """A migrated database to copy."""
    name = await create_template(services)
    yield name
    await drop_database(services, name)


@pytest_asyncio.fixture
async def engine(services: Addresses, template: str) -> AsyncIterator[AsyncEngine]:
    """An empty, migrated database of the test's own."""
    async with database(services, template) as (_, url):
        engine = create_engine(url)
        yield engine
        await engine.dispose()


@pytest_asyncio.fixture
async def installation(services: Addresses, template: str) -> AsyncIterator[Installation]:
    """A running whopays of the test's own."""
    async with installed(services, template) as made:
        yield made


@pytest_asyncio.fixture
async def quiet_installation(services: Addresses, template: str) -> AsyncIterator[Installation]:
    """A whopays of the test's own of which no process runs yet."""
    async with installed(services, template, roles=()) as made:
        yield made


@pytest_asyncio.fixture
async def ways(quiet_installation: Installation) -> AsyncIterator[Ways]:
    """What can be broken between the servers and those processes of the quiet installation that go this way."""
    async with ways_of(quiet_installation) as made:
        yield made
