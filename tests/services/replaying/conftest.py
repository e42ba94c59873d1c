"""One installation in which much was said, for all tests of replays; each test takes names of its own."""

from collections.abc import AsyncIterator

import pytest_asyncio

from embedded import Addresses
from tests.services.replaying.telling import say_much
from tests.support.installations import Installation, installed


@pytest_asyncio.fixture(scope="package")
async def told(services: Addresses, template: str) -> AsyncIterator[Installation]:
    """An installation in which much was said."""
    async with installed(services, template) as made:
        await say_much(made)
        yield made
