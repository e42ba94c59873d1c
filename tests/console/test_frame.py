"""What holds on every page: search, keys, zones, colours, widths, readers of the screen, policy, hostile names."""

import re
from urllib.parse import quote

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from tests.console import audited, story
from tests.console.looking import PHONE, Looking, Scheme

PAGES = (
    "",
    "acme",
    "acme/accounts",
    "acme/projects",
    "acme/projects/rocket?at=2026-01-01T00:00:00Z",
    "acme/accounts/overdue",
    "acme/commands/refused-1",
    "acme/commands/none-such",
    "acme/feed",
    f"{audited.NORTH}/audit",
    "vast/accounts/main",
    "_/dead-letters",
    "_/replays",
    "_/health",
    "no/such/page",
)
_HOSTILE = (
    story.HOSTILE,
    f"{story.HOSTILE}/projects",
    f"{story.HOSTILE}/projects/{story.HOSTILE}",
    f"{story.HOSTILE}/projects/constructor",
    f"{story.HOSTILE}/accounts/{story.HOSTILE}",
    f"{story.HOSTILE}/accounts/constructor",
    f"{story.HOSTILE}/commands/{quote(story.COMMAND_ID, safe='')}",
    f"{story.HOSTILE}/feed",
    f"{story.HOSTILE}/audit?by=%3Cscript%3E&since=%3Cscript%3E",
    "constructor/constructor",
    "acme/projects/%E0%A4%A",
    "acme/accounts/overdue?month=%3Cscript%3E&view=__proto__",
)
_EXPECTED = ("404", "400")


@pytest.mark.parametrize(("scheme", "paths"), (("light", PAGES), ("dark", PAGES[4:10])))
async def test_readers_of_the_screen_find_nothing_wrong(look: Looking, scheme: Scheme, paths: tuple[str, ...]) -> None:
    page = await look("acme", scheme=scheme)
    for path in paths:
        await look.go(page, path)
        found = await Axe().run(page)
        assert found.violations_count == 0, f"{path}: {found.generate_report()}"
    _only_expected(look)


async def test_a_phone_needs_no_sideways_scrolling(look: Looking) -> None:
    page = await look("acme", size=PHONE, scheme="dark")
    for path in (*PAGES[1:], *_HOSTILE[2:8:2]):
        await look.go(page, path)
        wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{path} is {wide} pixels too wide"
    found = await Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    _only_expected(look)


async def test_hostile_names_break_nothing(look: Looking) -> None:
    page = await look(story.HOSTILE)
    for path in _HOSTILE:
        await look.go(page, path)
        assert await page.locator("main script, main img, main iframe").count() == 0, path
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
    await look.go(page, f"{story.HOSTILE}/commands/{quote(story.COMMAND_ID, safe='')}")
    await expect(page.get_by_role("heading", level=1)).to_have_text(story.COMMAND_ID)
    await expect(page.locator(".result")).to_contain_text("Applied")
    await look.go(page, f"{story.HOSTILE}/projects/{story.HOSTILE}")
    await expect(page.locator("main")).to_contain_text("<img src=x onerror=alert(1)>")
    _only_expected(look)


async def test_the_policy_holds_and_everything_is_kept(look: Looking) -> None:
    page = await look()
    # What is not ours does not run, however it comes in.
    refused = """() => {
      const found = [];
      document.addEventListener("securitypolicyviolation", event => found.push(event.violatedDirective));
      try { document.body.innerHTML = "<b>x</b>"; } catch (error) { found.push(error.name); }
      const script = document.createElement("script");
      try { script.text = "window.ran = true"; } catch (error) { found.push(error.name); }
      const styled = document.createElement("p");
      styled.setAttribute("style", "color: red");
      document.body.append(styled);
      return new Promise(done => setTimeout(() => done([...found, String(window.ran)]), 100));
    }"""
    found = await page.evaluate(refused)
    assert found.count("TypeError") == 2
    assert "style-src-attr" in found
    assert found[-1] == "undefined"
    look.expect_complaints()

    answers = []
    page.on("response", lambda response: answers.append((response.url, response.status)))
    index = await page.request.get(look.url)
    assert index.headers["cache-control"] == "no-cache"
    again = await page.request.get(look.url, headers={"If-None-Match": index.headers["etag"]})
    assert again.status == 304
    assert (await page.request.get(f"{look.url}/console/0/app.js")).status == 404
    refused_method = await page.request.post(look.url)
    assert (refused_method.status, refused_method.headers["allow"]) == (405, "GET, HEAD")


async def test_search_as_one_types(look: Looking) -> None:
    page = await look("acme")
    await page.keyboard.press("/")
    await page.keyboard.type("ro")
    await expect(page.get_by_role("option", name="rocket acme")).to_be_visible()
    await expect(page.get_by_role("option", name="bind-rocket-0 BindProject")).to_be_visible()
    await page.keyboard.press("ControlOrMeta+a")
    await page.keyboard.type("acme/resea")
    option = page.get_by_role("option", name="research acme")
    await expect(option).to_be_visible()
    await page.keyboard.press("ArrowDown")
    await expect(option).to_have_attribute("aria-selected", "true")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("research")
    await page.keyboard.press("/")
    await page.keyboard.type("vast/p099999")
    await expect(page.get_by_role("option", name="p099999 vast")).to_be_visible()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("p099999")
    # A part of a name is looked for in all names, and the list says how far that is.
    await page.keyboard.press("/")
    await page.keyboard.type("vast/09999")
    hint = page.get_by_text(re.compile(r"Searching: [\d,]+ projects so far"))
    await expect(hint).to_be_visible()
    await expect(page.get_by_role("option", name="p099990 vast")).to_be_visible()
    await expect(hint).to_be_hidden()
    await page.keyboard.press("ControlOrMeta+a")
    await page.keyboard.type("vast/mai")
    await expect(page.get_by_role("option", name="main vast")).to_be_visible()
    await page.keyboard.press("ControlOrMeta+a")
    await page.keyboard.type("globex")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("globex")


async def test_keys_work_everywhere_and_can_be_turned_off(look: Looking) -> None:
    page = await look("acme")
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    for keys, title in (("gh", "Health"), ("gd", "Dead letters"), ("gr", "Replays"), ("gf", "Feed"), ("go", "acme")):
        await page.keyboard.press(keys[0])
        await page.keyboard.press(keys[1])
        await expect(page.get_by_role("heading", level=1)).to_have_text(title)
        await expect(page.get_by_role("heading", level=1)).to_be_focused()
    await look.go(page, "acme/projects/rocket")
    stage = page.locator(".stage")
    await stage.focus()
    axis = page.locator(".axis-title")
    before = await axis.inner_text()
    for _ in range(22):
        await page.keyboard.press("+")
    await expect(axis).not_to_have_text(before)
    # Zoomed in as far as it goes, marks are microseconds apart.
    await expect(page.locator(".tick-text").first).to_have_text(re.compile(r"^\d\d\.\d{6}$"))
    await page.keyboard.press("0")
    await expect(axis).to_have_text(before)

    await page.keyboard.press("?")
    await page.get_by_label("Use these shortcuts").uncheck()
    await page.get_by_role("button", name="Close").click()
    await page.keyboard.press("t")
    await expect(page.locator("#zone")).to_have_text("UTC")


async def test_instants_in_local_time_and_colours_stay_chosen(look: Looking) -> None:
    page = await look("acme/projects/web", zone="Asia/Kathmandu")
    planned = page.get_by_role("region", name="Scheduled and waiting")
    await page.keyboard.press("t")
    await expect(planned).to_contain_text("2099-01-01 05:45:00.123456 +05:45")
    await page.reload()
    await expect(planned).to_contain_text("2099-01-01 05:45:00.123456 +05:45")
    await page.get_by_label("Who paid at").fill("2026-01-01 05:45:00")
    await page.keyboard.press("Enter")
    await expect(page.locator(".verdict")).to_contain_text("2026-01-01 05:45:00.000000 +05:45")
    assert "at=2026-01-01T00%3A00%3A00.000000Z" in page.url

    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light = await page.evaluate(ground)
    await page.locator("#scheme").click()
    dark = await page.evaluate(ground)
    assert dark != light
    # Before anything of the application has run, the colours are those that were chosen.
    await page.route("**/app.js", lambda route: route.abort())
    await page.reload()
    assert await page.evaluate(ground) == dark
    look.expect_complaints()


def _only_expected(look: Looking) -> None:
    """Pass over what browsers say of any answer that is a problem; nothing else may have been said."""
    others = [one for one in look.expect_complaints() if not any(f"status of {status}" in one for status in _EXPECTED)]
    assert not others
