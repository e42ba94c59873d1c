"""An empty database, for tests of migrations."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import create_engine
from embedded import Addresses
from tests.support.installations import administer, database_url, drop_database


@pytest_asyncio.fixture
async def empty(services: Addresses) -> AsyncIterator[AsyncEngine]:
    """A database without any table."""
    name = f"e{uuid4().hex[:12]}"
    await administer(services, f'CREATE DATABASE "{name}"')
    engine = create_engine(database_url(services, name))
    yield engine
    await engine.dispose()
    await drop_database(services, name)


@pytest_asyncio.fixture
async def role(services: Addresses) -> AsyncIterator[str]:
    """A role of the test's own, without any privilege."""
    name = f"r{uuid4().hex[:12]}"
    await administer(services, f"CREATE ROLE \"{name}\" LOGIN PASSWORD 'secret'")
    yield name
    await administer(services, f'DROP ROLE "{name}"')
