"""`whopays who`, `project` and `timeline`: what is known, what is not, and what is scheduled."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.terminal.installation import remembered
from schemas.instants import format_instant
from tests.services.cli.test_send import CARD, TERMS, send
from tests.support.command_line import Whopays
from tests.support.imports import HEAVY, imported, imported_by_all
from tests.support.installations import Installation


async def test_an_unpaid_project_is_known(whopays: Whopays) -> None:
    await send(whopays, "asked", "ProjectChanged", "project=web", "state=Active", "version=1")
    assert (await whopays("who", "asked", "web")).expect(0).out == "nobody pays for asked/web now\n"
    long_ago = (await whopays("who", "asked", "web", "--at", "0001-01-01T00:00:00Z")).expect(0).out
    assert long_ago == "nobody pays for asked/web at 0001-01-01T00:00:00.000000Z\n"
    answer = (await whopays("who", "asked", "web", "--json")).expect(0).document
    assert (answer["known"], answer["account"], answer["payer"]) == (True, None, None)
    assert answer["at"] == answer["asOf"]
    assert "nobody has ever paid" in (await whopays("timeline", "asked", "web")).expect(0).out
    assert (await whopays("timeline", "asked", "web", "--json")).expect(0).document["items"] == []
    shown = (await whopays("project", "asked", "web", "--json")).expect(0).document
    assert shown == {
        "organization": "asked", "project": "web", "state": "Active", "version": 1, "payer": None, "scheduled": None,
        "waiting": [],
    }  # fmt: skip
    assert "paid by  nobody" in (await whopays("project", "asked", "web")).expect(0).out


@pytest.mark.parametrize("command", ("who", "project", "timeline"))
@pytest.mark.parametrize("options", ((), ("--json",)))
async def test_unknown_is_not_unpaid(whopays: Whopays, command: str, options: tuple[str, ...]) -> None:
    await send(whopays, "knowing", "ProjectChanged", "project=web", "state=Active", "version=1")
    for words, said in (
        (("knowing", "wbe"), "The organization knowing has no project wbe"),
        (("nowhere", "web"), "The organization nowhere is not known"),
        (("NOT A NAME", "web"), "The organization NOT A NAME is not known"),
    ):
        ended = (await whopays(command, *words, *options)).expect(1)
        assert said in ended.err
        assert "nobody" not in ended.out + ended.err
        if command == "who" and options:
            assert (ended.document["known"], ended.document["account"]) == (False, None)


async def test_a_deleted_project_is_known(whopays: Whopays) -> None:
    for version, state in ((1, "Active"), (2, "Deleted")):
        await send(whopays, "gone", "ProjectChanged", "project=web", f"state={state}", f"version={version}")
    assert "nobody pays" in (await whopays("who", "gone", "web")).expect(0).out
    assert (await whopays("project", "gone", "web", "--json")).expect(0).document["state"] == "Deleted"


async def test_the_future_is_not_known_and_what_is_to_come_is_said(whopays: Whopays) -> None:
    for words in (
        ("CreateAccount", "account=main", *TERMS),
        ("CreateAccount", "account=lab", *TERMS),
        CARD,
        ("ProjectChanged", "project=web", "state=Active", "version=1", "displayName=The web", "uid=u-1"),
    ):
        await send(whopays, "future", *words)
    soon, later = (datetime.now(UTC) + timedelta(hours=hours) for hours in (1, 2))
    at_soon, at_later = format_instant(soon), format_instant(later)
    nobody = (await whopays("who", "future", "web", "--at", at_later)).expect(0).out.splitlines()
    assert nobody[0] == "nobody pays for future/web now"
    assert f"Who pays at {at_later} is not known yet." in nobody[1]
    assert nobody[2] == "Nothing is scheduled."

    await send(whopays, "future", "BindProject", "project=web", "account=main", "--id", "b1")
    await send(whopays, "future", "BindProject", "project=web", "account=lab", f"effectiveAt={at_soon}", "--id", "b2")
    for account in ("nowhere", "neither"):
        await send(
            whopays, "future", "BindProject", "project=web", f"account={account}", "waitSeconds=3600", "--id", account
        )
    assert (await whopays("who", "future", "web")).expect(0).out == "main\n"
    answer, as_of, scheduled = (await whopays("who", "future", "web", "--at", at_later)).expect(0).out.splitlines()
    assert answer == "main"
    assert "as of now" in as_of
    assert scheduled == f"Scheduled: lab from {at_soon} (command b2 from /cli)."
    document = (await whopays("who", "future", "web", "--at", at_later, "--json")).expect(0).document
    assert document["asOf"] < document["at"] == at_later
    assert document["settled"] is False
    assert document["scheduled"] == {
        "account": "lab", "effectiveAt": at_soon, "commandId": "b2", "commandSource": "/cli",
    }  # fmt: skip

    shown = (await whopays("project", "future", "web", "--json")).expect(0).document
    payer, waiting = shown["payer"], shown["waiting"]
    assert document["payer"] == payer
    drawn = (await whopays("timeline", "future", "web", "--json")).expect(0).document
    assert drawn == (await whopays("intervals", "future", "web", "--json")).expect(0).document
    (entry,) = drawn["items"]
    assert (shown["displayName"], shown["uid"], shown["state"]) == ("The web", "u-1", "Active")
    assert shown["scheduled"] == document["scheduled"]
    assert payer | {"from": payer["establishedAt"], "until": None} == entry
    assert [(one["account"], one["commandId"], one["commandSource"]) for one in waiting] == [
        ("nowhere", "nowhere", "/cli"),
        ("neither", "neither", "/cli"),
    ]
    assert all(document["asOf"] < one["until"] < at_later for one in waiting)
    for said in ("paid by    main since ", "scheduled  lab from ", "waiting    nowhere until "):
        assert said in (await whopays("project", "future", "web")).expect(0).out


async def test_an_instant_that_is_none_is_a_mistyped_command(whopays: Whopays) -> None:
    for text in ("yesterday", "2027-01-31", "2027-01-31T12:00:00", "2027-01-31T12:00:00+25:00"):
        assert f"--at {text}: not an instant" in (await whopays("who", "acme", "web", "--at", text)).expect(2).err


async def test_who_pays_is_answered_by_the_driver_alone(
    whopays: Whopays, playground: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await send(whopays, "light", "ProjectChanged", "project=web", "state=Active", "version=1")
    monkeypatch.chdir(tmp_path)
    with remembered(playground.settings):
        of_dev = await asyncio.to_thread(imported, "who", "light", "web")
    of_its_address = await asyncio.to_thread(
        imported, "who", "light", "web", environment={**playground.environment(), "WHOPAYS_LOG_LEVEL": "nonsense"}
    )
    for packages in (of_dev, of_its_address):
        assert packages & HEAVY == {"asyncpg"}


@pytest.mark.usefixtures("told")
async def test_what_only_asks_imports_no_more_than_the_driver_and_what_draws(playground: Installation) -> None:
    lines = [
        "project told web", "timeline told web", "projects told", "unbound told", "intervals told web", "changes told",
        "intervals told --account main", "audit told", "accounts told", "accounts told --phase Ready",
        "account told main",
    ]  # fmt: skip
    packages = await asyncio.to_thread(imported_by_all, lines, playground.environment())
    assert packages & HEAVY == {"asyncpg", "rich"}
