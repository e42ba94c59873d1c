"""Opens the console's pages in a browser, and notes whatever the browser complains about."""

from typing import Literal

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page

from tests.support.waiting import patience

DESKTOP = (1280, 900)
PHONE = (360, 740)
Scheme = Literal["light", "dark"]

_IS_THERE = "() => document.querySelector('main h1') && !document.querySelector('[aria-busy=true]')"


class Looking:
    """A way to open pages of the console, each in a window of its own that has seen nothing before."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self.url = url
        self.complaints: list[str] = []

    async def __call__(
        self,
        path: str = "",
        *,
        size: tuple[int, int] = DESKTOP,
        scheme: Scheme = "light",
        zone: str = "UTC",
        url: str | None = None,
    ) -> Page:
        """Open a page, at another server's `url` if need be, and return it once all that it asked for is there."""
        width, height = size
        context = await self._browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, timezone_id=zone, locale="en-GB"
        )
        self._contexts.append(context)
        context.set_default_timeout(patience(20) * 1000)
        page = await context.new_page()
        page.on("console", self._noted)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        await page.goto(f"{url or self.url}/#/{path}")
        await self.settle(page)
        return page

    async def settle(self, page: Page) -> None:
        """Wait until the page has all that it asked for."""
        await page.wait_for_function(_IS_THERE)

    async def go(self, page: Page, path: str) -> None:
        """Go to another page in the same window."""
        await page.evaluate("path => { location.hash = `#/${path}` }", path)
        await self.settle(page)

    def expect_complaints(self) -> list[str]:
        """Return what was complained about so far, which the test expects, and forget it."""
        found, self.complaints = self.complaints, []
        return found

    async def end(self) -> None:
        """Close all windows."""
        for context in self._contexts:
            await context.close()

    def _noted(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.text} ({message.location.get('url')})")
