"""Signing in to the console: at a provider, or with a token; where the token goes, and where it does not."""

import json
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from tests.console.looking import PHONE, Looking
from tests.console.telling import Told
from tests.support.provider import Provider, provider
from tests.support.serving import Server, serving

ADA = ({"organization": "acme", "role": "account-admin"},)
VERA = ({"organization": "acme", "role": "viewer", "projects": ["rocket"]},)
ROCKET = "acme/projects/rocket"


@pytest_asyncio.fixture(scope="module")
async def at_provider(told: Told, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Provider, Server]]:
    """A provider, and a server whose console people sign in to there."""
    with provider(tmp_path_factory.mktemp("provider"), {"ada": ADA, "vera": VERA}) as running:
        async with serving(told.installation, **running.environment) as server:
            yield running, server


@pytest_asyncio.fixture(scope="module")
async def by_token(at_provider: tuple[Provider, Server], told: Told) -> AsyncIterator[str]:
    """Where the console is on a server that believes the provider's tokens, and sends nobody there.

    The server outlives the windows of a test: a window that is still asking when its server ends complains.
    """
    own = {name: value for name, value in at_provider[0].environment.items() if "CONSOLE" not in name}
    async with serving(told.installation, **own) as server:
        yield server.url


@pytest.fixture
def at(at_provider: tuple[Provider, Server]) -> tuple[Provider, str]:
    """The provider as it was, and where the console is."""
    running, server = at_provider
    running.claims, running.identity, running.answered, running.described = {}, {}, {}, {}
    return running, server.url


@pytest_asyncio.fixture
async def opens(chromium: Browser, told: Told) -> AsyncIterator[Looking]:
    """Opens pages; what the browser says of 401 and 403, and of codes that are refused, is expected."""
    looking = Looking(chromium, told.url)
    yield looking
    await looking.end()
    said = [line for line in looking.complaints if not any(what in line for what in ("401", "403", "/token)"))]
    assert not said, said


async def sign_in(page: Page, person: str) -> None:
    await page.get_by_role("button", name="Sign in with").click()
    await page.get_by_role("link", name=person).click()
    await expect(page.get_by_role("button", name="Sign out")).to_be_visible()


async def test_signing_in_leads_back_and_leaves_the_token_nowhere(at: tuple[Provider, str], opens: Looking) -> None:
    running, url = at
    page = await opens(ROCKET, url=url)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    await sign_in(page, "ada")
    await expect(page.get_by_role("heading", level=1)).to_have_text("rocket")
    await expect(page.locator("#signed-in")).to_contain_text("ada")
    assert page.url == f"{url}/#/{ROCKET}"
    await opens.go(page, "acme/feed")
    await expect(page.get_by_role("status")).to_have_text("Live")

    kept = (
        "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, document.documentElement.outerHTML])"
    )
    held = await page.evaluate(kept)
    access, identity = running.given[-2:]
    for secret in (access, identity, "code_verifier", "verifier"):
        assert secret not in held
    assert not any(token in asked for asked in running.asked for token in running.given)
    assert not any(asked.rpartition(" ")[2].startswith(url) for asked in running.asked), "no referrer"
    assert "code=" not in await page.evaluate("performance.getEntries().map(one => one.name).slice(1).join(' ')")
    await page.go_back()
    assert "code=" not in page.url

    # A page that is loaded again asks the provider, which knows who it is.
    await page.reload()
    await expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    assert json.loads(await page.evaluate("JSON.stringify({...localStorage})")).get("whopays.organizations") is None


async def test_who_sees_little_is_told_what_to_do(at: tuple[Provider, str], opens: Looking) -> None:
    page = await opens("acme/projects", url=at[1])
    await sign_in(page, "vera")
    await opens.settle(page)
    await expect(page.locator("main")).to_contain_text("rocket")
    await expect(page.locator("main")).not_to_contain_text("website")
    for path in ("acme/projects/website", "_/dead-letters", "globex"):
        await opens.go(page, path)
        await expect(page.locator("main")).to_contain_text("Request a role that covers it")


async def test_a_token_that_has_expired_asks_again(at: tuple[Provider, str], opens: Looking) -> None:
    at[0].claims = {"exp": int(time.time()) - 3600}
    page = await opens(ROCKET, url=at[1])
    await page.get_by_role("button", name="Sign in with").click()
    await page.get_by_role("link", name="ada").click()
    await expect(page.get_by_role("alert")).to_contain_text("Your session has ended")
    at[0].claims = {}
    await page.get_by_role("button", name="Sign in with").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("rocket")


async def test_answers_to_another_sign_in_are_refused(at: tuple[Provider, str], opens: Looking) -> None:
    page = await opens(ROCKET, url=at[1])
    for number, (where, wrong, said) in enumerate(_LIES):
        at[0].identity, at[0].answered, at[0].described = {}, {}, {}
        setattr(at[0], where, wrong)
        # What the last lie was told stands there still, and may be what this one is told, too.
        await page.evaluate("document.querySelectorAll('[role=alert]').forEach(one => { one.textContent = '' })")
        await page.get_by_role("button", name="Sign in with").click()
        if number == 0:
            # From then on the provider knows who it is.
            await page.get_by_role("link", name="ada").click()
        await expect(page.get_by_role("alert")).to_contain_text(said)
        await expect(page.get_by_role("button", name="Sign out")).to_have_count(0)
        assert "code=" not in page.url
        await opens.go(page, f"{ROCKET}?at=2026-01-0{number + 1}T00:00:00Z")
    at[0].described = {}
    await page.get_by_role("button", name="Sign in with").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("rocket")


_LIES = (
    ("answered", {"state": "another"}, "does not belong to a sign-in"),
    ("answered", {"iss": "https://login.example"}, "from another provider"),
    ("answered", {"code": "stolen"}, "did not complete the sign-in"),
    ("identity", {"nonce": "another"}, "not for this sign-in"),
    ("identity", {"aud": "another"}, "not for this sign-in"),
    ("identity", {"iss": "https://login.example"}, "not for this sign-in"),
    ("described", {"issuer": "https://login.example"}, "does not match its address"),
    ("described", {"token_endpoint": "http://127.0.0.1:1/token"}, "does not match its address"),
    ("described", {"authorization_endpoint": "javascript:alert(1)"}, "does not match its address"),
)
"""What a provider says wrong, and what people are told."""


async def test_without_a_provider_a_token_is_pasted(at: tuple[Provider, str], by_token: str, opens: Looking) -> None:
    running, _ = at
    page = await opens(ROCKET, url=by_token, size=PHONE, scheme="dark")
    found = await Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await page.get_by_label("Token", exact=True).fill("none")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("This is not a token")
    await page.get_by_label("Token", exact=True).fill(running.issuer.token("ada", ADA).decode())
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("rocket")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    # A proxy that adds the header signs people in for the console.
    await page.context.set_extra_http_headers({"Authorization": f"Bearer {running.issuer.token('ada', ADA).decode()}"})
    await page.reload()
    await expect(page.get_by_role("heading", level=1)).to_have_text("rocket")
    await expect(page.get_by_role("button", name="Sign out")).to_have_count(0)
