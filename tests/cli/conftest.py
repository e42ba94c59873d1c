"""The command line as a function, and one running installation for its tests; each takes its own organizations."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from typer.testing import CliRunner

from embedded import Addresses
from tests.cli.running import Ran
from tests.installations import Installation, installed
from workers.cli import app

Whopays = Callable[..., Awaitable[Ran]]


@pytest_asyncio.fixture(scope="session")
async def playground(services: Addresses, template: str) -> AsyncIterator[Installation]:
    """A running whopays for all tests of the command line."""
    async with installed(services, template) as made:
        yield made


@pytest.fixture
def whopays(playground: Installation) -> Whopays:
    """Runs a command line against the playground: `await whopays("who", "acme", "web")`."""
    return whopays_of(playground)


def whopays_of(installation: Installation) -> Whopays:
    """Give what runs command lines against an installation; `environment` changes variables, `given` is its input."""

    async def run(*arguments: str, given: str | None = None, **environment: str) -> Ran:
        variables = installation.environment(**environment)
        invoked = await asyncio.to_thread(CliRunner().invoke, app, arguments, input=given, env=variables)
        return Ran(invoked.exit_code, invoked.stdout, invoked.stderr, invoked.exception)

    return run
