"""One running installation for all tests of the command line; each test takes its own organizations."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from embedded import Addresses
from tests.services.cli.telling import Told, tell
from tests.support.command_line import Whopays, whopays_of
from tests.support.installations import Installation, installed


@pytest_asyncio.fixture(scope="package")
async def playground(services: Addresses, template: str) -> AsyncIterator[Installation]:
    """A running whopays for all tests of the command line."""
    async with installed(services, template) as made:
        yield made


@pytest.fixture
def whopays(playground: Installation) -> Whopays:
    """Runs a command line against the playground: `await whopays("who", "acme", "web")`."""
    return whopays_of(playground)


@pytest_asyncio.fixture(scope="package")
async def told(playground: Installation) -> Told:
    """An organization in which something has happened."""
    return await tell(whopays_of(playground))
