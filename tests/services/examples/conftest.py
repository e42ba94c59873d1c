"""Topics on which only the test speaks, in the place of whopays."""

from uuid import uuid4

import pytest_asyncio

from embedded import Addresses
from tests.services.client.acting import make_topic
from whopays_client import Connection


@pytest_asyncio.fixture
async def stage(services: Addresses) -> Connection:
    """The topics that pipelines read and write."""
    made = Connection(services.kafka_bootstrap_servers, f"x{uuid4().hex[:12]}.")
    for name, partitions in (("bindings", 3), ("accounts", 1), ("notices", 1), ("watermarks", 1), ("usage", 2)):
        await make_topic(made, name, partitions)
    await make_topic(made, "usage-enriched", 2)
    await make_topic(made, "payment-warnings", 1)
    return made
