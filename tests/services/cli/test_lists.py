"""`whopays accounts`, `projects`, `unbound`, `intervals` and `changes`: by the page, as of an instant, and watched."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.services.cli.telling import FORMULA, Told
from tests.services.cli.test_processes import start
from tests.services.cli.test_send import CARD, TERMS, send
from tests.support.command_line import Whopays
from tests.support.installations import Installation
from tests.support.waiting import patience, until


async def listed(whopays: Whopays, *words: str) -> list[Any]:
    """Return all items of a list, of which there is one page."""
    document = (await whopays(*words, "--json")).expect(0).document
    assert document["next"] is None
    return list(document["items"])


def _names(items: Sequence[dict[str, Any]], member: str = "project") -> list[str]:
    return [item[member] for item in items]


async def test_accounts_by_phase_and_page(whopays: Whopays, told: Told) -> None:
    found = await listed(whopays, "accounts", "told")
    assert _names(found, "account") == ["draft", "lab", "main"]
    alone = (await whopays("account", "told", "lab", "--json")).expect(0).document
    assert found[1] == {name: alone[name] for name in found[1]}
    assert _names(await listed(whopays, "accounts", "told", "--phase", "Ready"), "account") == ["lab", "main"]
    drawn = (await whopays("accounts", "told")).expect(0).out.splitlines()
    assert drawn[1].split() == ["draft", "Incomplete", "EUR", "PaymentProfileMissing"]
    assert drawn[3].split() == ["main", "Ready", "EUR", FORMULA]

    first = (await whopays("accounts", "told", "--limit", "2", "--json")).expect(0).document
    assert (_names(first["items"], "account"), first["next"]) == (["draft", "lab"], "lab")
    assert _names(await listed(whopays, "accounts", "told", "--after", "lab"), "account") == ["main"]
    assert "There are more: --after lab" in (await whopays("accounts", "told", "--limit", "2")).expect(0).err
    lines = (await whopays("accounts", "told", "--all", "--json")).expect(0).out.splitlines()
    assert [json.loads(line) for line in lines] == found
    assert (await whopays("accounts", "nowhere")).expect(0).out == "There is no such account.\n"
    (await whopays("accounts", "told", "--phase", "Rady")).expect(2)


async def test_projects_now_then_and_of_an_account(whopays: Whopays, told: Told) -> None:
    found = await listed(whopays, "projects", "told")
    assert _names(found) == ["api", "idle", "web"]
    alone = (await whopays("project", "told", "web", "--json")).expect(0).document
    assert found[2] == {name: member for name, member in alone.items() if name not in ("scheduled", "waiting")}
    assert _names(await listed(whopays, "projects", "told", "--account", "lab")) == ["api"]
    assert _names(await listed(whopays, "projects", "told", "--state", "Deleted")) == ["gone"]
    then = await listed(whopays, "projects", "told", "--at", told.changes[1])
    assert [(item["project"], (item["payer"] or {}).get("account")) for item in then] == [
        ("api", "lab"),
        ("gone", None),
        ("idle", None),
        ("web", "lab"),
    ]
    (await whopays("projects", "told", "--at", "noon")).expect(2)
    unbound = await listed(whopays, "unbound", "told")
    assert (_names(unbound), unbound[0]["payer"]) == (["idle"], None)
    assert "idle     Active" in (await whopays("unbound", "told")).expect(0).out


async def test_intervals_of_a_project_and_of_an_account(whopays: Whopays, told: Told) -> None:
    first, second, third = told.changes
    of_web = await listed(whopays, "intervals", "told", "web")
    assert [(item["account"], item["from"], item["until"]) for item in of_web] == [
        ("main", first, second),
        ("lab", second, third),
        ("main", third, None),
    ]
    period = ("--from", second, "--until", third)

    async def settled() -> bool | None:
        return (await whopays("intervals", "told", "web", *period, "--json")).expect(0).document["settled"] or None

    assert await until(settled, "the period to be settled")
    (within,) = await listed(whopays, "intervals", "told", "web", *period)
    assert within == of_web[1]
    of_lab = await listed(whopays, "intervals", "told", "--account", "lab", *period)
    assert [(item["project"], item["from"], item["until"]) for item in of_lab] == [
        ("api", second, third),
        ("web", second, third),
    ]

    page = (await whopays("intervals", "told", "web", "--limit", "1", "--json")).expect(0).document
    assert page["settled"] is False
    assert await listed(whopays, "intervals", "told", "web", "--after", page["next"]) == of_web[1:]
    page = (await whopays("intervals", "told", "--account", "lab", "--limit", "1", "--json")).expect(0).document
    assert _names(await listed(whopays, "intervals", "told", "--account", "lab", "--after", page["next"])) == ["web"]
    assert "no project wbe" in (await whopays("intervals", "told", "wbe")).expect(1).err
    assert "no account lob" in (await whopays("intervals", "told", "--account", "lob")).expect(1).err
    for words in ((), ("web", "--account", "lab"), ("web", "--after", "x"), ("web", "--from", third, "--until", third)):
        (await whopays("intervals", "told", *words)).expect(2)


async def test_changes_after_one_and_of_a_type(whopays: Whopays, told: Told) -> None:
    events = [
        json.loads(line) for line in (await whopays("changes", "told", "--all", "--json")).expect(0).out.splitlines()
    ]
    bindings = ("changes", "told", "--type", "BindingChanged")
    read = (await whopays(*bindings, "--json")).expect(0)
    lines = read.out.splitlines()
    assert read.err == ""
    assert [json.loads(line) for line in lines] == [event for event in events if "BindingChanged" in event["type"]]
    page = (await whopays(*bindings, "--limit", "2")).expect(0)
    assert [line.split("  ")[-1] for line in page.out.splitlines()][1] == "Bound: nobody → main"
    after = page.err.split("--after ")[1].split(",")[0]
    assert after == json.loads(lines[1])["id"]
    rest = (await whopays(*bindings, "--after", after, "--json")).expect(0).out.splitlines()
    assert rest == lines[2:]
    shard, position = after.split("-")
    assert "of other organizations" in (await whopays(*bindings, "--after", f"{int(shard) + 1}-1")).expect(1).err
    assert "no such event yet" in (await whopays(*bindings, "--after", f"{shard}-{int(position) + 1000}")).expect(1).err
    for words in (("--after", "seven"), ("--type", "BindingChange")):
        (await whopays("changes", "told", *words)).expect(2)


async def test_who_asked_for_what(whopays: Whopays, told: Told) -> None:
    found = await listed(whopays, "audit", "told")
    assert found
    assert [one["time"] for one in found] == sorted((one["time"] for one in found), reverse=True)
    assert {(one["issuer"], *one["roles"]) for one in found} == {(None,)}, "no token is checked"
    people = {one["person"] for one in found}
    for person in people:
        mine = [one for one in found if one["person"] == person]
        assert await listed(whopays, "audit", "told", "--by", person.upper()) == mine
    assert await listed(whopays, "audit", "told", "--since", found[1]["time"]) == found[:2]
    assert await listed(whopays, "audit", "told", "--until", found[1]["time"]) == found[2:]
    assert await listed(whopays, "audit", "told", "--by", "nobody-of-that-name") == []
    drawn = (await whopays("audit", "told", "--limit", "1")).expect(0).out.split()
    assert drawn[-1] == found[0]["commandId"]
    assert (await whopays("audit", "nowhere")).expect(0).out == "There are no such commands.\n"
    (await whopays("audit", "told", "--since", "yesterday")).expect(2)
    (await whopays("audit", "told", "--since", found[0]["time"], "--until", found[0]["time"])).expect(2)


@asynccontextmanager
async def watching(installation: Installation, folder: Path, *words: str) -> AsyncIterator[asyncio.StreamReader]:
    """Run a command that watches; it ends quietly at Ctrl-C."""
    process = await start(*words, folder=folder, environment=installation.environment())
    assert process.stdout is not None
    try:
        yield process.stdout
        process.send_signal(signal.SIGINT)
        _, err = await asyncio.wait_for(process.communicate(), patience(30))
        assert (process.returncode, err) == (0, b"")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _line(lines: asyncio.StreamReader) -> Any:
    return json.loads(await asyncio.wait_for(lines.readline(), patience(30)))


async def test_what_changes_is_watched(whopays: Whopays, playground: Installation, tmp_path: Path) -> None:
    for words in (
        CARD,
        ("CreateAccount", "account=main", *TERMS),
        ("ProjectChanged", "project=web", "state=Active", "version=1"),
    ):
        await send(whopays, "watched", *words)
    head = await _head(whopays)
    followed = ("changes", "watched", "--watch", "--json")
    async with (
        watching(playground, tmp_path, "account", "watched", "main", "--watch", "--json") as account,
        watching(playground, tmp_path, "who", "watched", "web", "--watch", "--json") as who,
        watching(playground, tmp_path, *followed, "--after", head) as changes,
        watching(playground, tmp_path, *followed) as from_now_on,
    ):
        assert (await _line(account))["displayName"] is None
        assert (await _line(who))["payer"] is None
        await send(whopays, "watched", "ProjectChanged", "project=api", "state=Active", "version=1")
        assert (await _line(changes))["type"].split(".")[-2] == "ProjectBillingNotice"
        for name in ("One", "Two"):
            await send(whopays, "watched", "UpdateAccount", "account=main", f"displayName={name}")
            assert (await _line(account))["displayName"] == name
            kinds = [(await _line(changes))["type"].split(".")[-2] for _ in range(2)]
            assert kinds == ["AccountChanged", "CommandCompleted"]
        await send(whopays, "watched", "BindProject", "project=web", "account=main")
        payer = (await _line(who))["payer"]
        assert (payer["account"], payer["bindingId"]) == ("main", "watched/web/1")
        number, first = 0, asyncio.create_task(_line(from_now_on))
        while not first.done():
            number += 1
            await send(whopays, "watched", "UpdateAccount", "account=main", f"displayName={number}")
        assert int((await first)["id"].partition("-")[2]) > int(head.partition("-")[2])


async def _head(whopays: Whopays) -> str:
    lines = (await whopays("changes", "watched", "--all", "--json")).expect(0).out.splitlines()
    return str(json.loads(lines[-1])["id"])


async def test_the_installation_says_how_many_shards_it_has(whopays: Whopays, told: Told) -> None:
    """With another number it would look for closed instants and events in the wrong shard."""
    words = ("changes", "told", "--all", "--json")
    assert (await whopays(*words, WHOPAYS_SHARDS="7")).expect(0).out == (await whopays(*words)).expect(0).out
