"""One browser and one installation for all tests of the console; they change nothing that others look at."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from embedded import Addresses
from tests.console.looking import Looking
from tests.console.telling import Told, tell
from tests.support.browser import FLAGS, browser
from tests.support.installations import installed
from tests.support.serving import serving
from tests.support.waiting import patience


@pytest_asyncio.fixture(scope="package")
async def chromium() -> AsyncIterator[Browser]:
    """A running browser, or the reason why there is none."""
    path = browser()
    expect.set_options(timeout=patience(20) * 1000)
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield running
        await running.close()


@pytest_asyncio.fixture(scope="package")
async def told(chromium: Browser, services: Addresses, template: str) -> AsyncIterator[Told]:
    """An installation that the story was told to, and where its console is."""
    async with installed(services, template) as installation, serving(installation) as server:
        await tell(installation)
        yield Told(installation, server.url)


@pytest_asyncio.fixture
async def look(chromium: Browser, told: Told) -> AsyncIterator[Looking]:
    """Opens pages: `page = await look("acme")`. At the end nothing may have been complained about."""
    looking = Looking(chromium, told.url)
    yield looking
    await looking.end()
    if looking.complaints:
        pytest.fail("the browser complains: " + "; ".join(looking.complaints))
