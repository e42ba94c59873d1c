"""Whoever is granted little gets what whoever is granted everything gets, without what the rule of section 12 hides."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import orjson
import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.questions import seen_results
from db.questions.accounts import account, accounts
from db.questions.events import events
from db.questions.organizations import organization
from db.questions.projects import projects
from db.questions.reached import Reached
from db.questions.resources.accounts import ShownAccount, accounts_page
from db.questions.resources.bindings import bindings_page
from db.questions.resources.keys import FIRST
from db.questions.resources.projects import projects_page
from db.questions.results import latest_results, results_of_command
from db.questions.seen_events import seen_events
from domain.reach import EVERYTHING, Reach, reach_of
from schemas.askers import Asker, Grant, Kind, Names, Role
from schemas.events import Phase
from schemas.results import Outcome
from tests.services.questions.story import asking, day
from tests.services.questions.test_pages import all_pages

_NAMES = {
    Kind.PROJECTS: ("web", "api", "again", "off", "late", "idle", "p-1", "p.1", "p1", "asleep", "never", "unknown"),
    Kind.ACCOUNTS: ("main", "spare", "closed", "a-new", "a.new", "a0new", "nobody"),
    Kind.PAYMENT_PROFILES: ("card",),
}
_PREFIXES = ("a", "p", "p-", "w", "s", "", "web", "zz", "late", "a.")
_ORGANIZATIONS = ("acme", "acme", "globex", "*")


def _asker(chance: random.Random) -> Asker:
    grants = [_grant(chance) for _ in range(chance.randint(1, 3))]
    return Asker("somebody", "https://issuer", tuple(grants))


def _grant(chance: random.Random) -> Grant:
    kinds = chance.sample(list(Kind), chance.choice((1, 1, 2, 3)))
    lists = tuple((kind, _names(chance, kind)) for kind in kinds if chance.random() < 0.9)
    return Grant(chance.choice(_ORGANIZATIONS), chance.choice(list(Role)), lists)


def _names(chance: random.Random, kind: Kind) -> Names:
    exact = chance.sample(_NAMES[kind], min(len(_NAMES[kind]), chance.randint(0, 4)))
    prefixes = chance.sample(_PREFIXES, chance.choice((0, 0, 1, 2)))
    return Names(frozenset(exact), tuple(prefixes))


_ASKERS = [_asker(random.Random(seed)) for seed in range(24)]
_REACHES = [reach for asker in _ASKERS if (reach := reach_of(asker, "acme")) is not None]


@pytest_asyncio.fixture
async def connection(told: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection that reads the story."""
    async with asking(told) as (made, _):
        yield made


async def _pages(
    question: Callable[..., Awaitable[Any]], connection: AsyncConnection, reach: Reach, **given: Any
) -> list[Any]:
    """Return all items, and assert that pages are as full as they can be."""

    async def page(asked: AsyncConnection, limit: int, after: Any) -> Any:
        return await question(asked, "acme", reach=reach, limit=limit, after=after, **given)

    return await all_pages(connection, page, 2)


def test_chance_grants_all_that_there_is() -> None:
    assert any(reach.is_everything for reach in _REACHES)
    assert any(not reach.is_everything for reach in _REACHES)
    assert any(reach.accounts == () and reach.projects for reach in _REACHES)
    assert any(reach.projects == () and reach.accounts for reach in _REACHES)
    assert any(reach.projects == () == reach.accounts for reach in _REACHES)


@pytest.mark.parametrize("phase", (None, Phase.READY))
async def test_accounts(connection: AsyncConnection, phase: Phase | None) -> None:
    every = await _pages(accounts, connection, EVERYTHING, phase=phase)
    for reach in _REACHES:
        seen = [one for one in every if reach.sees_account(one["account"])]
        assert await _pages(accounts, connection, reach, phase=phase) == seen


@pytest.mark.parametrize(
    "asked",
    (
        {},
        {"unbound": True},
        {"unbound": False},
        {"state": "Deleted"},
        {"state": "Inactive"},
        {"account": "main"},
        {"account": "spare", "at": day(2)},
        {"at": day(3)},
    ),
    ids=str,
)
async def test_projects(connection: AsyncConnection, asked: dict[str, Any]) -> None:
    every = await _pages(projects, connection, EVERYTHING, **asked)
    assert every
    for reach in _REACHES:
        finds = "account" not in asked or reach.sees_account(asked["account"])
        seen = [one for one in every if finds and reach.sees_project(one["project"])]
        assert await _pages(projects, connection, reach, **asked) == seen


async def test_numbers(connection: AsyncConnection) -> None:
    live = await _pages(projects, connection, EVERYTHING)
    for reach in _REACHES:
        within = [one for one in live if reach.sees_project(one["project"])]
        assert await organization(connection, "acme", reach) == {
            "organization": "acme",
            "defaultAccount": "spare" if reach.sees_account("spare") else None,
            "accounts": len(await _pages(accounts, connection, reach)),
            "projects": len(within),
            "unbound": sum(one["payer"] is None for one in within),
        }


async def test_an_account_counts_all_its_projects_and_names_those_within_reach(connection: AsyncConnection) -> None:
    whole = await account(connection, "acme", "spare", with_balance=True)
    assert whole is not None
    assert whole["boundProjects"] == 2
    for reach in _REACHES:
        told = await account(connection, "acme", "spare", with_balance=True, reach=reach)
        assert told is not None
        blockers = told["closureBlockers"][0].pop("blockers")
        assert blockers == {"count": 2, "projects": [name for name in ("again", "off") if reach.sees_project(name)]}
        expected = await account(connection, "acme", "spare", with_balance=True)
        assert expected is not None
        del expected["closureBlockers"][0]["blockers"]
        assert told == expected


@pytest.mark.parametrize("looked_at", (20_000, 3, 2, 1))
async def test_results(connection: AsyncConnection, monkeypatch: pytest.MonkeyPatch, looked_at: int) -> None:
    monkeypatch.setattr(seen_results, "_AMONG_LATEST", seen_results.among_latest(looked_at))
    for asked in ({}, {"outcome": Outcome.APPLIED}, {"project": "web"}, {"account": "main"}):
        every = await _pages(latest_results, connection, EVERYTHING, **asked)
        assert every
        for reach in _REACHES:
            finds = all(getattr(reach, f"sees_{kind}")(asked[kind]) for kind in ("project", "account") if kind in asked)
            seen = [one for one in every if finds and _is_seen(reach, one)]
            assert await _pages(latest_results, connection, reach, **asked) == seen
    for command_id in ("c1", "c2", "c5", "c6", "none"):
        every = await results_of_command(connection, "acme", command_id)
        for reach in _REACHES:
            for source in (None, "/shop"):
                seen = [one for one in every if _is_seen(reach, one) and source in (None, one["commandSource"])]
                assert await results_of_command(connection, "acme", command_id, source, reach) == seen


async def test_events(connection: AsyncConnection) -> None:
    for types in (["AccountChanged"], ["ProjectBillingNotice", "CommandCompleted"], None):
        more = {} if types is None else {"types": types}
        every = await events(connection, "acme", after=0, until=20, limit=100, **more)
        assert every
        for reach in _REACHES:
            seen = [event for event in every if _is_seen(reach, orjson.loads(event.value)["data"])]
            assert await seen_events(connection, "acme", reach, after=0, until=20, limit=100, **more) == (seen, 20)
            page, _ = await seen_events(connection, "acme", reach, after=0, until=20, limit=2, **more)
            assert page == seen[:2]


async def test_resources(connection: AsyncConnection) -> None:
    for asker in _ASKERS:
        if (within := reach_of(asker, "acme")) is not None:
            await _has_resources_within(connection, asker, Reached(within), "acme")
        if (everywhere := Reached.of_all(asker)) is not None:
            await _has_resources_within(connection, asker, everywhere, None)


async def _has_resources_within(
    connection: AsyncConnection, asker: Asker, reached: Reached, organization: str | None
) -> None:
    def sees(shown: Any, kinds: tuple[str, ...]) -> bool:
        reach = reach_of(asker, shown.organization)
        assert reach is not None
        names = {"project": getattr(shown, "project", None), "account": getattr(shown, "account", None)}
        if isinstance(shown, ShownAccount):
            names["account"] = shown.state["account"]
        return any(getattr(reach, f"sees_{kind}")(names[kind]) for kind in kinds)

    async def both(question: Callable[..., Awaitable[Any]], kinds: tuple[str, ...], **more: Any) -> None:
        every = await question(connection, organization, FIRST, 100, **more)
        seen = await question(connection, organization, FIRST, 100, reached=reached, **more)
        expected = [one for one in every if sees(one, kinds)]
        assert seen == expected
        if len(expected) > 1:
            first = await question(connection, organization, FIRST, 1, reached=reached, **more)
            rest = await question(connection, organization, first[0].key, 100, reached=reached, **more)
            assert first + rest == expected

    await both(accounts_page, ("account",))
    await both(projects_page, ("project",))
    for only_active in (True, False):
        await both(bindings_page, ("project", "account"), only_active=only_active)
        await both(bindings_page, ("project",), only_active=only_active, project="web")
        await both(bindings_page, ("account",), only_active=only_active, account="main")
        await both(bindings_page, ("project", "account"), only_active=only_active, project="web", either=True)


def _is_seen(reach: Reach, data: dict[str, Any]) -> bool:
    """Return what section 12 says, in its own words: a role on its project, or on one of its accounts."""
    accounts = [data.get("account"), *((data.get(side) or {}).get("account") for side in ("current", "previous"))]
    return (
        reach.is_everything
        or (data.get("project") is not None and reach.sees_project(data["project"]))
        or any(name is not None and reach.sees_account(name) for name in accounts)
    )
