"""What tests of the service share: servers of a database that a file adds to, and of an installation that is told."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from embedded import Addresses
from tests.services.http.rights import Guarded, guarded
from tests.services.http.served import Served, served
from tests.services.replaying.telling import say_much
from tests.support.installations import Installation, installed
from tests.support.serving import Server, asking, serving
from tests.support.tokens import TokenIssuer


@pytest_asyncio.fixture(scope="module")
async def shared(services: Addresses, template: str) -> AsyncIterator[Served]:
    """A server; each test takes organizations of its own."""
    async with served(services, template) as made:
        yield made


@pytest_asyncio.fixture(scope="package")
async def told(services: Addresses, template: str) -> AsyncIterator[Installation]:
    """An installation in which much was said."""
    async with installed(services, template) as made:
        await say_much(made)
        yield made


@pytest_asyncio.fixture(scope="package")
async def server(told: Installation) -> AsyncIterator[Server]:
    """A process of `whopays serve` that answers about it."""
    async with serving(told) as started:
        yield started


@pytest_asyncio.fixture(scope="package")
async def ask(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    """What asks that server: `await ask.get("/v1/organizations/acme")`."""
    async with asking(server) as client:
        yield client


@pytest.fixture(scope="package")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> TokenIssuer:
    """An issuer of tokens."""
    return TokenIssuer(tmp_path_factory.mktemp("issuer"))


@pytest_asyncio.fixture(scope="package")
async def asked(services: Addresses, template: str, issuer: TokenIssuer) -> AsyncIterator[Guarded]:
    """A server that needs tokens."""
    async with guarded(services, template, issuer) as made:
        yield made


@pytest_asyncio.fixture(scope="package")
async def trusting(services: Addresses, template: str) -> AsyncIterator[Served]:
    """A server that trusts whoever reaches it."""
    async with served(services, template, auth="trusted") as made:
        yield made
