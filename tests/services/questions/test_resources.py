"""Accounts, projects and bindings as Kubernetes shows them, of one organization and of all."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.questions.reached import Reached
from db.questions.resources.accounts import accounts_page
from db.questions.resources.bindings import ShownBinding, binding, bindings_page
from db.questions.resources.keys import FIRST
from db.questions.resources.projects import ShownProject, projects_page
from domain.reach import Reach
from schemas.askers import Names
from tests.services.questions.story import asking, day, said_at

_BOUND: tuple[tuple[str, str, int, str, int, int | None, str | None], ...] = (
    ("acme", "again", 1, "main", 1, 2, None), ("acme", "again", 3, "spare", 3, None, None),
    ("acme", "api", 1, "main", 1, 4, None), ("acme", "late", 1, "main", 7, None, None),
    ("acme", "off", 1, "spare", 2, None, None), ("acme", "web", 1, "main", 1, 2, "spare"),
    ("acme", "web", 2, "spare", 2, 3, "main"), ("acme", "web", 3, "main", 3, None, None),
    ("globex", "web", 1, "main", 1, None, None),
)  # fmt: skip
"""Organization, project, number, account, from which day until which, and who pays next."""
_BINDINGS = [
    ShownBinding(organization, project, number, account, day(begin), None if end is None else day(end), following)
    for organization, project, number, account, begin, end, following in _BOUND
]
_ACCOUNTS: tuple[tuple[str, str, str | None, int, datetime | None], ...] = (
    ("acme", "a-new", None, 0, None), ("acme", "a.new", None, 0, None), ("acme", "a0new", None, 0, None),
    ("acme", "closed", None, 0, None), ("acme", "main", "CreditCard", 2, said_at(1)),
    ("acme", "spare", None, 2, None), ("globex", "main", None, 1, None),
)  # fmt: skip
"""Organization, account, kind of its profile, how many projects it pays for, and when it was created, as told."""
_UNBOUND = (("asleep", "Inactive"), ("idle", "Active"), ("p-1", "Active"), ("p.1", "Active"), ("p1", "Active"))


@pytest_asyncio.fixture
async def connection(told: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection that reads the story."""
    async with asking(told) as (made, _):
        yield made


def _of(organization: str | None, every: Any) -> list[Any]:
    return [one for one in every if organization in (None, one[0] if isinstance(one, tuple) else one.organization)]


async def _paged(question: Any, connection: AsyncConnection, organization: str | None, **more: Any) -> list[Any]:
    """Return everything on pages of two, and assert that one page holds the same."""
    found: list[Any] = []
    while page := await question(connection, organization, found[-1].key if found else FIRST, 2, **more):
        found += page
    assert found == await question(connection, organization, FIRST, 99, **more)
    return found


async def test_accounts(connection: AsyncConnection) -> None:
    for organization in ("acme", "globex", None):
        found = await _paged(accounts_page, connection, organization)
        shown = [
            (one.organization, one.state["account"], one.profile_kind, one.linked_projects, one.created_at)
            for one in found
        ]
        assert shown == _of(organization, _ACCOUNTS)
    (main,) = await accounts_page(connection, "acme", FIRST, 9, "main")
    assert main.state["paymentTerms"]["netDays"] == 30
    assert [one.organization for one in await accounts_page(connection, None, FIRST, 9, "main")] == ["acme", "globex"]
    (new,) = await accounts_page(connection, "acme", FIRST, 9, "a-new")
    assert (new.state["paymentTerms"], new.state["phase"]) == (None, "Provisioning")


async def test_projects(connection: AsyncConnection) -> None:
    bound = [ShownProject(one.organization, one.project, "Active", one.account, one.established_at) for one in _LASTING]
    unbound = [ShownProject("acme", name, state, None, None) for name, state in _UNBOUND]
    every = [*bound, *unbound]
    every[2] = ShownProject("acme", "off", "Inactive", "spare", day(2))
    every.sort(key=lambda one: one.key)
    for organization in ("acme", "globex", None):
        assert await _paged(projects_page, connection, organization) == _of(organization, every)
    assert await projects_page(connection, "acme", FIRST, 9, "web") == [one for one in every if one.key[:2] == _WEB]
    assert [one.organization for one in await projects_page(connection, None, FIRST, 9, "web")] == ["acme", "globex"]
    assert await projects_page(connection, "acme", FIRST, 9, "api") == []


_WEB = ("acme", "web")
_LASTING = [one for one in _BINDINGS if one.ended_at is None]


async def test_bindings(connection: AsyncConnection) -> None:
    for organization in ("acme", "globex", None):
        for only_active, every in ((False, _BINDINGS), (True, _LASTING)):
            for named in ({}, {"project": "web"}, {"account": "main"}, {"project": "web", "account": "spare"}):
                found = await _paged(bindings_page, connection, organization, only_active=only_active, **named)
                expected = [
                    one
                    for one in _of(organization, every)
                    if all(getattr(one, name) == value for name, value in named.items())
                ]
                assert found == expected, (organization, only_active, named)


async def test_one_binding(connection: AsyncConnection) -> None:
    for one in _BINDINGS:
        assert await binding(connection, one.organization, one.project, one.number) == one
    # A release is none, and what comes after the last one is none either.
    for name, number in (("again", 2), ("web", 4), ("api", 2), ("web", 0), ("idle", 1)):
        assert await binding(connection, "acme", name, number) is None


async def test_one_binding_is_seen_by_its_project_or_its_payer(connection: AsyncConnection) -> None:
    for reach, seen in (
        (Reach(accounts=(Names(frozenset({"main"})),), projects=()), {("web", 1), ("web", 3), ("late", 1)}),
        (Reach(accounts=(), projects=(Names(frozenset({"web"})),)), {("web", 1), ("web", 2), ("web", 3)}),
    ):
        for one in (one for one in _BINDINGS if one.project in ("web", "off", "late") and one.organization == "acme"):
            found = await binding(connection, "acme", one.project, one.number, Reached(reach))
            assert found == (one if (one.project, one.number) in seen else None), (reach, one)


async def test_what_is_named_is_seen_alone(connection: AsyncConnection) -> None:
    names = (Names(frozenset({"web", "late", "main", "spare"})),)
    reached = Reached(Reach(accounts=names, projects=names))
    for name, seen in (("web", ["web"]), ("off", []), (None, ["late", "web"])):
        found = await projects_page(connection, "acme", FIRST, 9, name, reached)
        assert [one.project for one in found] == seen
    for name, seen in (("main", ["main"]), ("a-new", []), (None, ["main", "spare"])):
        shown = await accounts_page(connection, "acme", FIRST, 9, name, reached)
        assert [one.state["account"] for one in shown] == seen
