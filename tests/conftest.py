"""Real servers for the whole run, and an installation of its own for each test that wants one.

What only servers need is imported when a test asks for them, so that tests without servers start at once.
"""

from __future__ import annotations

import gc
import os
import random
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncEngine

    from embedded import Addresses
    from tests.support.installations import Installation
    from tests.support.proxies.ways import Ways

pytest_plugins = ("tests.support.sharing", "tests.support.reporting")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Choose the seed of all properties, so that one that fails by chance can fail again."""
    if config.option.hypothesis_seed is None:
        # In the environment, so that the processes that pytest-xdist starts have the same.
        seed = os.environ.setdefault("PROPERTIES_SEED", str(random.SystemRandom().randrange(2**32)))
        config.option.hypothesis_seed = seed


def pytest_collection_finish() -> None:
    """Leave what was imported and collected out of every later search for garbage: it stays until the end."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the seed, where anything failed."""
    if terminalreporter.stats.get("failed"):
        terminalreporter.write_line(f"To repeat the properties: --hypothesis-seed={config.option.hypothesis_seed}")


@pytest.fixture(scope="session")
def services(run_folder: Path, pytestconfig: pytest.Config) -> Iterator[Addresses]:
    """A real PostgreSQL and a real Kafka."""
    from tests.support.reporting import SERVERS_CPU_SECONDS
    from tests.support.servers import cpu_seconds_of_servers, servers

    with servers(run_folder) as addresses:
        yield addresses
    pytestconfig.stash[SERVERS_CPU_SECONDS] = cpu_seconds_of_servers(run_folder)


@pytest_asyncio.fixture(scope="session")
async def template(services: Addresses) -> AsyncIterator[str]:
    """A migrated database to copy."""
    from tests.support.installations import create_template, drop_database

    name = await create_template(services)
    yield name
    await drop_database(services, name)


@pytest_asyncio.fixture
async def engine(services: Addresses, template: str) -> AsyncIterator[AsyncEngine]:
    """An empty, migrated database of the test's own."""
    from db.engine import create_engine
    from tests.support.installations import database

    async with database(services, template) as (_, url):
        engine = create_engine(url)
        yield engine
        await engine.dispose()


@pytest_asyncio.fixture
async def installation(services: Addresses, template: str) -> AsyncIterator[Installation]:
    """A running whopays of the test's own."""
    from tests.support.installations import installed

    async with installed(services, template) as made:
        yield made


@pytest_asyncio.fixture
async def quiet_installation(services: Addresses, template: str) -> AsyncIterator[Installation]:
    """A whopays of the test's own of which no process runs yet."""
    from tests.support.installations import installed

    async with installed(services, template, roles=()) as made:
        yield made


@pytest_asyncio.fixture
async def ways(quiet_installation: Installation) -> AsyncIterator[Ways]:
    """What can be broken between the servers and those processes of the quiet installation that go this way."""
    from tests.support.proxies.ways import ways_of

    async with ways_of(quiet_installation) as made:
        yield made
