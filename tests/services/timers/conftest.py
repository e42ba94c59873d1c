"""A whopays without a broker, on a database of the test's own."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from tests.services.timers.keeping import Keeper


@pytest.fixture
def keeper(engine: AsyncEngine) -> Keeper:
    """Takes in records as the consumers do."""
    return Keeper(engine)


@pytest.fixture(autouse=True)
def lines() -> Iterator[list[Any]]:
    """What is logged, captured."""
    with capture_logs() as found:
        yield found
