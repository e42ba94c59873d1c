"""An installation whose every instant is known."""

from collections.abc import AsyncIterator

import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import create_engine
from embedded import Addresses
from tests.services.questions.story import tell
from tests.support.installations import database


@pytest_asyncio.fixture(scope="package")
async def told(services: Addresses, template: str) -> AsyncIterator[AsyncEngine]:
    """A database that holds the story of tests/services/questions/story.py."""
    async with database(services, template) as (_, url):
        engine = create_engine(url)
        try:
            await tell(engine)
            yield engine
        finally:
            await engine.dispose()
