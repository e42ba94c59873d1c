"""One installation in which much was said, with partitions of a few positions."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from embedded import Addresses
from tests.services.archive.small import knowing_small_partitions, shrink
from tests.services.replaying.telling import say_much
from tests.support.installations import Installation, installed


@pytest.fixture(scope="package", autouse=True)
def _small() -> Iterator[None]:
    with knowing_small_partitions():
        yield


@pytest_asyncio.fixture(scope="package")
async def told(services: Addresses, template: str) -> AsyncIterator[Installation]:
    """An installation in which much was said, and nothing is archived."""
    async with installed(services, template, roles=()) as made:
        await shrink(made.engine)
        await made.start()
        await say_much(made)
        yield made
