"""One folder of embedded data that these tests start, stop, and kill servers in, one after the other."""

from pathlib import Path

import pytest

from embedded import EmbeddedServices
from tests.services.embedded.running import create_topic, publish, query


@pytest.fixture(scope="session")
async def kept_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose servers are stopped and hold one row and one record."""
    folder = tmp_path_factory.mktemp("embedded") / "a folder, with a name" / ("deep" * 30)
    with EmbeddedServices(folder, durable=False) as services:
        addresses = services.start()
        await query(addresses, "CREATE TABLE kept (value text)")
        await query(addresses, "INSERT INTO kept VALUES ('before')")
        await create_topic(addresses)
        await publish(addresses, b"aborted", commit=False)
        await publish(addresses, b"before")
    return folder
