"""The feed shows what happens while one looks, and goes on where it was after the service was away."""

import re

from playwright.async_api import expect

from tests.console.looking import Looking
from tests.console.telling import Told
from tests.support.kafka import send
from tests.support.messages import project

ORGANIZATION = "newsy"


async def test_events_appear_as_they_happen_and_are_told_once(told: Told, look: Looking) -> None:
    await send(told.installation, [project(ORGANIZATION, "first")])
    page = await look(f"{ORGANIZATION}/feed")
    events = page.locator(".event")
    await expect(events).to_have_text(re.compile("^ProjectBillingNoticefirst PayerMissing"))
    await expect(page.locator(".standing")).to_have_text("Live")
    await page.get_by_role("button", name="Pause").click()
    await send(told.installation, [project(ORGANIZATION, "second")])
    other = await look(f"{ORGANIZATION}/feed")
    await expect(other.locator(".event")).to_have_count(2)
    await expect(events).to_have_count(1)
    await page.get_by_role("button", name="Resume").click()
    await expect(events).to_have_count(2)
    await expect(events.first).to_contain_text("second")
    await events.first.locator("summary").click()
    await expect(events.first.locator("pre")).to_contain_text("io.milo.billing.ProjectBillingNotice.v1")
    await page.get_by_label("ProjectBillingNotice").uncheck()
    await expect(page.locator(".empty")).to_contain_text("No events yet.")
    assert "type=BindingChanged" in page.url


async def test_a_service_that_stops_is_said_and_found_again(told: Told, look: Looking) -> None:
    async with told.another() as port:
        page = await look(f"{ORGANIZATION}/feed", url=f"http://127.0.0.1:{port}")
        await expect(page.locator(".standing")).to_have_text("Live")
        elsewhere = await look("acme", url=f"http://127.0.0.1:{port}")
    await expect(page.locator(".failure")).to_contain_text("The service does not answer.")
    await elsewhere.evaluate("location.hash = '#/acme/projects/rocket'")
    failure = elsewhere.locator(".failure").first
    await expect(failure).to_contain_text("Check that whopays serve is running")
    await send(told.installation, [project(ORGANIZATION, "third")])
    async with told.another(port):
        await expect(page.locator(".standing")).to_have_text("Live")
        await expect(page.locator(".event", has_text="third")).to_have_count(1)
        await failure.get_by_role("button", name="Try again").click()
        await expect(elsewhere.locator(".present-name")).to_have_text("research")
        await look.end()
    look.expect_complaints()
