"""An issuer of the test's own, what is logged, and a partition that nothing was read of."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from db.reading_positions import read_at_least
from schemas.topics import Topic
from tests.support.tokens import TokenIssuer


@pytest.fixture
def issuer(tmp_path: Path) -> TokenIssuer:
    """An issuer of the test's own."""
    return TokenIssuer(tmp_path)


@pytest.fixture(autouse=True)
def lines() -> Iterator[list[Any]]:
    """What is logged, captured."""
    with capture_logs() as found:
        yield found


@pytest.fixture(autouse=True)
async def _read_to_nothing(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await read_at_least(connection, Topic.ADMIN_COMMANDS, {0: 0})
