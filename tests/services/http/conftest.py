"""One server for all tests of a file that only add to its database."""

from collections.abc import AsyncIterator

import pytest_asyncio

from embedded import Addresses
from tests.services.http.served import Served, served


@pytest_asyncio.fixture(scope="module")
async def shared(services: Addresses, template: str) -> AsyncIterator[Served]:
    """A server; each test takes organizations of its own."""
    async with served(services, template) as made:
        yield made
