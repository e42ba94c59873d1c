"""One server for all tests of the Kubernetes resources; each test takes organizations of its own."""

from collections.abc import AsyncIterator

import pytest_asyncio

from embedded import Addresses
from tests.services.kubernetes.cluster import Cluster, running_cluster


@pytest_asyncio.fixture(scope="package")
async def cluster(services: Addresses, template: str) -> AsyncIterator[Cluster]:
    """A `whopays serve` with a database of its own."""
    async with running_cluster(services, template) as made:
        yield made
