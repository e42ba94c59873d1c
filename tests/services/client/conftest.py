"""One running installation for all tests of the client that leave it running; each test takes its own organization."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from embedded import Addresses
from tests.services.client.telling import connection_to
from tests.support.installations import Installation, installed
from whopays_client import Connection, Publisher


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
