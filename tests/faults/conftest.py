"""Repeatable randomness, servers that may be broken, and the table of recovery times."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from random import Random, SystemRandom

import pytest
import pytest_asyncio

from embedded import Addresses
from tests.faults.own_servers import OwnServers, own_servers
from tests.faults.recovering import recoveries
from tests.faults.teeth import deaths
from tests.support.installations import Installation, installed
from tests.support.reporting import DEATH, RECOVERY
from tests.support.tokens import TokenIssuer


@pytest_asyncio.fixture
async def guarded_installation(services: Addresses, template: str, tmp_path: Path) -> AsyncIterator[Installation]:
    """A whopays that checks tokens, with no process running yet."""
    async with installed(services, template, roles=(), issuer=TokenIssuer(tmp_path)) as made:
        yield made


@pytest_asyncio.fixture
async def stage_installation(
    request: pytest.FixtureRequest, services: Addresses, template: str, tmp_path: Path
) -> AsyncIterator[Installation]:
    """A whopays with no process running yet; whether it checks tokens is the test's parameter."""
    issuer = TokenIssuer(tmp_path) if request.param else None
    async with installed(services, template, roles=(), issuer=issuer) as made:
        yield made


@pytest.fixture
def chance() -> Random:
    """The randomness of a test; its seed is shown when the test fails, and SEED repeats it."""
    seed = os.environ.get("SEED") or str(SystemRandom().randrange(1_000_000))
    print(f"SEED={seed}")
    return Random(seed)


@pytest.fixture(autouse=True)
def _measured(record_property: Callable[[str, object], None]) -> Iterator[None]:
    """Print what the test measures at the end of the run."""
    yield
    for name, measured in ((RECOVERY, recoveries), (DEATH, deaths)):
        for one in measured:
            record_property(name, one)
        measured.clear()


@pytest_asyncio.fixture(scope="package")
async def breakable() -> AsyncIterator[OwnServers]:
    """Servers for all tests that break some, one after the other."""
    async with own_servers() as made:
        yield made


@pytest_asyncio.fixture
async def breaking(breakable: OwnServers) -> AsyncIterator[Installation]:
    """A whopays on servers that may be broken, with no process running yet."""
    async with breakable.installation() as made:
        yield made


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Ignore that aiokafka leaves a connection open when the broker dies while it is being established."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.filterwarnings("ignore:Unclosed AIOKafkaConnection:ResourceWarning"))
