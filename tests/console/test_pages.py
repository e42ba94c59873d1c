"""Every page shows the facts, and what would change them."""

import re

import pytest
from playwright.async_api import Locator, Page, expect
from sqlalchemy import text

from db.audits import begin_audit, keep_audit
from tests.console import audited, story, telling
from tests.console.looking import Looking
from tests.console.telling import Told
from tests.support.command_line import whopays_of


async def test_an_organization_in_numbers(look: Looking) -> None:
    page = await look(story.ACME)
    await expect(page.get_by_role("heading", level=1)).to_have_text("acme")
    await expect(page.locator(".figures")).to_have_text(re.compile(r"7accounts4projects2projects without a payer"))
    await expect(page.locator(".card", has_text="overdue")).to_contain_text("Suspended")
    await expect(page.locator(".tile")).to_have_text(["api", "lonely"])
    await expect(page.locator(".knowing").first).to_contain_text(re.compile(r"As of event \d+-\d+, closed until 20"))

    await look.go(page, "acme/accounts?phase=Archived")
    await expect(page.locator(".card")).to_have_text(re.compile("closed.*Archived.*EUR · card$"))
    await look.go(page, "acme/projects?state=Deleted")
    await expect(page.locator(".sizer [role=row]")).to_have_text(re.compile("gone.*Deleted.*nobody"))
    await look.go(page, "never-heard-of")
    await expect(page.locator("main")).to_contain_text("Nothing is known of never-heard-of.")


async def test_who_pays_for_a_project_and_who_paid_when(look: Looking) -> None:
    page = await look("acme/projects/rocket")
    await expect(page.locator(".present-name")).to_have_text("research")
    paid = page.locator("table").first.locator("tbody tr")
    await expect(paid.locator("td:first-child")).to_have_text(["research", "growth", "research", "main"])
    instant = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} UTC$")
    await expect(paid.nth(1).locator("at-instant")).to_have_text([instant, instant])
    begin, end = await paid.nth(1).locator("time").evaluate_all("all => all.map(one => one.dateTime)")
    # Intervals touch: one ends at the microsecond at which the next begins.
    assert end == await paid.nth(0).locator("time").first.get_attribute("datetime")
    assert begin == await paid.nth(2).locator("time").nth(1).get_attribute("datetime")
    await expect(page.locator("time-bars .bar")).to_have_count(4)

    waiting = _part(page, "Scheduled and waiting")
    await expect(waiting).to_contain_text("startup")
    await expect(waiting.get_by_role("link", name="patient")).to_be_visible()
    await look.go(page, "acme/projects/web")
    await expect(_part(page, "Scheduled and waiting")).to_contain_text("research from 2099-01-01 00:00:00.123456 UTC")
    await expect(page.locator("time-bars .planned")).to_have_count(1)


async def test_who_paid_at_an_instant(look: Looking) -> None:
    page = await look("acme/projects/rocket")
    second = page.locator("table").first.locator("tbody tr").nth(1)
    begin = await second.locator("time").first.get_attribute("datetime")
    assert begin is not None
    await page.get_by_label("Who paid at").fill(begin)
    await page.get_by_role("button", name="Ask").click()
    verdict = page.locator(".verdict")
    await expect(verdict).to_have_text(re.compile(r"growth paid at .* settled"))
    # The last microsecond before it belongs to the one before.
    await page.get_by_label("Who paid at").fill(_microsecond_before(begin))
    await page.keyboard.press("Enter")
    await expect(verdict).to_contain_text("research paid at")
    await page.reload()
    await expect(verdict).to_contain_text("research paid at")
    await page.get_by_label("Who paid at").fill("2099-06-01")
    await page.keyboard.press("Enter")
    await expect(verdict).to_contain_text("not settled yet")
    await page.get_by_label("Who paid at").fill("yesterday")
    await page.keyboard.press("Enter")
    await expect(page.locator(".answered")).to_contain_text("Not an instant.")

    await look.go(page, "acme/projects/rocket")
    await page.locator(".stage").click(position={"x": 300, "y": 50})
    await expect(verdict).to_contain_text("paid at")
    assert "at=20" in page.url


async def test_refusals_say_what_would_lift_them(look: Looking) -> None:
    page = await look("acme/projects/web")
    refused = page.locator(".result.rejected")
    await expect(refused).to_have_count(2)
    await expect(refused.nth(1)).to_contain_text("AccountNotReady")
    await expect(refused.nth(1)).to_contain_text("PreconditionFailed /expectedAccount")
    await expect(refused.nth(1)).to_contain_text("Check the current one, and send it with that.")
    await page.get_by_label("Outcome").select_option("Scheduled")
    await expect(page.locator(".result")).to_have_text(re.compile("^Scheduled.*later"))
    await look.go(page, "acme/commands/refused-2")
    await expect(page.locator(".result")).to_contain_text("AccountNotFound")
    await expect(page.locator(".lift")).to_contain_text("Create the account first, or correct its name.")


async def test_an_account_says_what_it_lacks_and_what_holds_it(look: Looking) -> None:
    page = await look("acme/accounts/overdue")
    await expect(page.locator(".present-name")).to_have_text("Suspended")
    phases = _part(page, "Phase over time").locator("tbody tr")
    await expect(phases.locator("td:first-child")).to_have_text(["Suspended", "Ready", "Provisioning"])
    await expect(phases.first).to_contain_text("ivy")
    holds = _part(page, "Holds").locator("li")
    await expect(holds.first).to_have_text(re.compile("PaymentFailure three invoices are unpaid.*ivy.*ada.*all three"))
    await expect(holds).to_have_count(2)
    await expect(_part(page, "Needed to be Ready")).to_contain_text("NoHolds")
    await expect(page.locator(".figure")).to_have_text(["0projects", "2holds", "1condition missing"])
    await expect(_part(page, "Closure")).to_contain_text("ChargesOutstanding")

    await look.go(page, "acme/accounts/startup")
    await expect(_part(page, "Needed to be Ready")).to_contain_text("Set currency and payment terms: UpdateAccount.")
    await look.go(page, "acme/accounts/main")
    await expect(_part(page, "Closure")).to_contain_text("ActiveBindingsExist")
    await expect(_part(page, "Closure").get_by_role("link", name="web")).to_be_visible()
    await look.go(page, "acme/accounts/closed")
    await expect(_part(page, "Closure")).to_contain_text("It is closed for good.")


@pytest.mark.parametrize(
    ("path", "label"), (("vast/accounts/main", "Projects of main"), ("vast/projects?state=Active", "Projects"))
)
async def test_a_hundred_thousand_projects_scroll(look: Looking, path: str, label: str) -> None:
    page = await look(path)
    grid = page.get_by_role("table", name=label, exact=True)
    first, last = (grid.get_by_role("link", name=f"p{number:06}", exact=True) for number in (1, telling.VAST_PROJECTS))
    await expect(first).to_be_visible()
    # Whatever happens meanwhile, no more rows exist than are in sight and a few beyond.
    await grid.evaluate(_COUNT_ROWS)
    await grid.locator(".scroller").focus()
    await page.keyboard.press("End")
    await expect(last).to_be_visible()
    await expect(grid).to_have_attribute("aria-rowcount", str(telling.VAST_PROJECTS + 1))
    assert await last.evaluate("link => link.closest('[role=row]').ariaRowIndex") == str(telling.VAST_PROJECTS + 1)
    await page.keyboard.press("Home")
    await expect(first).to_be_visible()
    assert 10 < await page.evaluate("mostRows") < 60


async def test_how_many_projects_there_are_is_known_at_once(look: Looking) -> None:
    page = await look("vast/projects")
    rows = page.get_by_role("table", name="Projects", exact=True)
    await expect(rows).to_have_attribute("aria-rowcount", str(telling.VAST_PROJECTS + 1))
    await look.go(page, "vast/projects?unbound=false")
    await expect(rows).to_have_attribute("aria-rowcount", str(telling.VAST_PROJECTS + 1))
    await look.go(page, "acme/projects?unbound=true")
    await expect(rows).to_have_attribute("aria-rowcount", "3")
    await expect(page.locator("virtual-rows [role=status]")).to_have_text("2 in all")


async def test_a_month_as_a_picture_and_as_a_table(look: Looking) -> None:
    page = await look("vast/accounts/main")
    month = _part(page, "Intervals by month")
    await expect(month.locator(".month-bar").first).to_be_visible()
    await month.get_by_role("button", name="Table").click()
    await expect(month.get_by_role("columnheader")).to_have_text(["Project", "From", "Until", "For"])
    await expect(month.locator(".sizer [role=row]").first).to_contain_text("p000001")
    await page.reload()
    await expect(month.get_by_role("button", name="Table")).to_have_attribute("aria-pressed", "true")
    await month.get_by_label("Month", exact=True).fill("2020-02")
    await expect(month).to_contain_text("It paid for nothing in 2020-02.")
    await month.get_by_role("button", name="Next month").click()
    await expect(month).to_contain_text("It paid for nothing in 2020-03.")


async def test_dead_letters_with_commands_that_redrive_them(look: Looking, told: Told) -> None:
    page = await look("_/dead-letters")
    await expect(page.locator(".result")).to_have_count(3)
    await page.get_by_role("textbox", name="Organization").fill("acme")
    await page.keyboard.press("Enter")
    await expect(page.locator(".result")).to_have_count(2)
    assert "organization=acme" in page.url
    await expect(page.locator("copy-line").first).to_contain_text("whopays dead-letters redrive --organization acme")
    await page.locator("summary").first.click()
    letter = page.locator(".result").first
    record = await letter.locator("dd code").first.inner_text()
    await expect(letter.locator("copy-line code")).to_have_text(
        [
            f"whopays dead-letters list --record {record}",
            f"whopays dead-letters redrive --record {record}",
            f"whopays dead-letters discard --record {record} --reason",
        ]
    )
    whopays = whopays_of(told.installation)
    (one,) = (await whopays("dead-letters", "list", "--record", record, "--json")).expect(0).document
    assert f"{one['topic']}/{one['partition']}/{one['offset']}" == record
    await look.go(page, "_/dead-letters?reason=CardNumber")
    await expect(page.locator(".empty")).to_contain_text("No dead letters match.")


async def test_who_asked_for_what_and_in_which_role(look: Looking) -> None:
    page = await look(f"{audited.NORTH}/audit")
    asked = page.locator(".result")
    people = ["ivy", "ada", "olav", "ada", "mallory", "olav", "olav", "ada", "ada"]
    await expect(asked.locator("p:first-of-type")).to_have_text([re.compile(f"^{person}") for person in people])
    await expect(asked.first).to_contain_text("ivy as approver with a token from https://login.example")
    await expect(asked.nth(4)).to_contain_text("Unauthenticated")
    await expect(asked.nth(5)).to_contain_text("Forbidden")
    await expect(asked.nth(6)).to_contain_text("olav as project-owner, account-admin")
    await expect(page.locator("copy-line")).to_contain_text("whopays audit north")

    await page.get_by_role("textbox", name="Person").fill(" OLAV ")
    await page.get_by_role("button", name="Show", exact=True).click()
    await expect(asked).to_have_count(3)
    latest, _, first = await asked.locator("time").evaluate_all("all => all.map(one => one.dateTime)")
    await page.get_by_role("textbox", name="Since").fill(latest)
    await page.keyboard.press("Enter")
    await expect(asked).to_have_count(1)
    address = page.url
    await page.get_by_role("textbox", name="Since").fill("yesterday")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("Not an instant: Since.")
    assert page.url == address
    # What is passed on shows the same.
    again = await look(address.partition("#/")[2], zone="Asia/Tokyo")
    await expect(again.locator(".result")).to_have_count(1)
    await expect(again.get_by_role("textbox", name="Person")).to_have_value("OLAV")
    await look.go(again, f"{audited.NORTH}/audit?until={first}")
    await again.get_by_role("link", name="ada").first.click()
    await expect(again.locator(".result")).to_have_count(2)
    await look.go(again, f"{audited.NORTH}/audit?by=nobody")
    await expect(again.locator(".empty")).to_contain_text("No commands match.")


async def test_the_verdict_of_the_last_audit(look: Looking, told: Told) -> None:
    page = await look("_/health")
    audit = _part(page, "Last audit")
    await expect(audit).to_contain_text("No audit has been recorded yet.")
    engine = told.installation.engine
    begun = await begin_audit(engine)
    assert await keep_audit(engine, begun, {"payers": 1200, "log": 1, "state": 0})
    await page.get_by_role("button", name="Refresh").click()
    await expect(audit).to_contain_text(f"1,201 findings 20{begun.at:%y-%m-%d}")
    await expect(audit).to_contain_text(f"it covered {begun.events} events")
    await expect(audit.locator("tbody tr")).to_have_text(["payers1,200", "log1"])
    long_ago = "UPDATE last_audit SET ended_at = ended_at - interval '3 days', findings = '{0,0,0}'"
    async with engine.begin() as connection:
        await connection.execute(text(long_ago))
    await page.get_by_role("button", name="Refresh").click()
    await expect(audit).to_contain_text(re.compile(r"^Last auditPassed 20.*3\sd ago.*more than two days old$"))


async def test_replays_and_health(look: Looking) -> None:
    page = await look("_/replays")
    await expect(page.locator(".empty")).to_contain_text("There are no replays yet.")
    await look.go(page, "acme")
    await look.go(page, "_/health")
    await expect(page.locator(".present-name")).to_have_text("answers")
    await expect(_part(page, "Dead letters")).to_contain_text("3 dead letters waiting")
    await expect(_part(page, "Recently viewed organizations").locator("tbody tr")).to_have_text(
        re.compile(r"^acme\d+-")
    )
    await expect(_part(page, "Metrics of this server")).to_contain_text("Server memory")


def _part(page: Page, title: str) -> Locator:
    return page.get_by_role("region", name=title, exact=True)


def _microsecond_before(instant: str) -> str:
    """Return an instant a microsecond earlier, where its second has begun before."""
    head, fraction = instant[:-1].split(".")
    assert fraction != "000000"
    return f"{head}.{int(fraction) - 1:06}Z"


_COUNT_ROWS = """grid => {
  window.mostRows = 0;
  const rows = () => grid.querySelectorAll(".sizer [role=row]").length;
  const count = () => { window.mostRows = Math.max(window.mostRows, rows()); };
  new MutationObserver(count).observe(grid, { childList: true, subtree: true });
}"""
