"""What is loaded beyond what a batch names: everything it may have to decide about, and no more."""

from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.book import NotLoaded
from domain.bound_projects import BoundProjects
from domain.needs import Needs
from domain.state import Done, Organization
from tests.services.db.records_of_each_kind import (
    BARE,
    BINDING,
    FAN_OUT,
    FULL,
    LATER,
    PROFILES,
    PROJECT,
    pending_binding,
)
from tests.services.db.storing import assert_holds, kept


async def test_a_default_account_comes_with_its_organization(engine: AsyncEngine) -> None:
    await kept(engine, FULL, *PROFILES, Organization(organization="acme", default_account="full"))
    book = (await kept(engine, needs=Needs(organizations={"acme"}))).book
    assert_holds(book, FULL)


async def test_what_nobody_named_is_not_taken_for_absent(engine: AsyncEngine) -> None:
    await kept(engine, FULL, BARE, PROJECT, BINDING, *PROFILES)
    book = (await kept(engine, needs=Needs(accounts={("acme", "bare"), ("acme", "none")}))).book
    assert book.account("acme", "none") is None
    assert_holds(book, BARE)
    for ask in (
        lambda: book.account("acme", "full"),
        lambda: book.project("acme", "web"),
        lambda: book.payment_profile("acme", "card"),
        lambda: book.default_account("acme"),
        lambda: book.contact(BARE),
        lambda: book.bound_projects(BARE),
    ):
        with pytest.raises(NotLoaded, match="acme"):
            ask()


async def test_what_waits_comes_with_its_account_and_all_that_it_needs(engine: AsyncEngine) -> None:
    first, behind = pending_binding(1, wait_seconds=9), pending_binding(2, wait_seconds=9)
    behind = replace(behind, command=behind.command.model_copy(update={"account": "bare"}))
    await kept(engine, FULL, BARE, PROJECT, BINDING, *PROFILES, first, behind)
    for needs in (
        Needs(turning={("acme", "full")}),
        Needs(turning={("acme", "bare")}),
        Needs(projects={("acme", "web")}),
        Needs(payment_profiles={("acme", "card")}, reported_profiles={("acme", "card")}),
        Needs(emptied={("acme", "full")}),
    ):
        book = (await kept(engine, needs=needs)).book
        assert book.queue(("acme", "web")) == [first, behind]
        assert_holds(book, FULL, BARE)
        assert book.project("acme", "web") == PROJECT
        assert book.payment_profile("acme", "card") == PROFILES[0]


async def test_fan_outs_and_their_pages(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("db.load.FAN_OUT_PAGE", 2)
    names = ["a", "b", "c", "d", "later", "z"]
    projects = [replace(PROJECT, project=name) for name in names]
    bindings = [replace(BINDING, project=name) for name in names]
    bindings[4] = replace(bindings[4], from_instant=LATER)
    released = replace(bindings[2], number=2, account=None, from_instant=LATER)
    projects = [project.after(binding) for project, binding in zip(projects, bindings, strict=True)]
    left = projects[2].after(released)
    await kept(engine, FULL, *projects, *bindings, released, left, FAN_OUT, replace(FAN_OUT, number=2))
    needs = Needs(boundaries={"acme"}, fan_outs={FULL.key})
    pages = []
    while fan_outs := (book := (await kept(engine, needs=needs)).book).fan_outs(FULL.key):
        page, is_last = book.page(fan_outs[0])
        pages.append((fan_outs[0].number, page, is_last))
        await kept(engine, Done(fan_outs[0]) if is_last else replace(fan_outs[0], told=page[-1]), needs=needs)
    assert pages == [(1, ["a", "b"], False), (1, ["d", "z"], True), (2, ["a", "b"], False), (2, ["d", "z"], True)]


async def test_enough_bound_projects_are_known_by_name(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as a decision looks at, even if the batch takes away those it names; and how many there are."""
    monkeypatch.setattr("db.load.AT_ONCE", 1)
    monkeypatch.setattr("db.load.LISTED", 2)
    monkeypatch.setattr("db.load.MOST_PROJECTS", 3)
    names = [f"p{number}" for number in range(9)]
    await kept(
        engine,
        FULL,
        *(replace(PROJECT, project=name) for name in names),
        *(replace(BINDING, project=name) for name in names),
    )
    taken = {("acme", name) for name in names[:4]}
    for needs, known in (
        (Needs(turning={FULL.key}), 2),
        (Needs(turning={FULL.key}, projects=taken), 6),
        (Needs(emptied={FULL.key}), 3),
        (Needs(emptied={FULL.key}, turning={FULL.key}, projects=taken), 7),
    ):
        bound = (await kept(engine, needs=needs)).book.bound_projects(FULL)
        assert (bound.count, bound.first) == (9, names[:known])


async def test_what_is_overdue_may_take_projects_away_first(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an account that is emptied so many more are known by name; a clock may step back by a minute meanwhile."""
    monkeypatch.setattr("db.load.MOST_PROJECTS", 1)
    names = [f"p{number}" for number in range(9)]
    await kept(
        engine,
        FULL,
        *(replace(PROJECT, project=name) for name in names),
        *(replace(BINDING, project=name) for name in names),
    )
    async with engine.begin() as connection:
        for place, (organization, kind, seconds) in enumerate(
            (
                ("acme", "Scheduled", -9), ("acme", "Scheduled", 50), ("acme", "Scheduled", 90),
                ("acme", "Waiting", -9), ("globex", "Scheduled", -9), ("globex", "Waiting", -9),
            )
        ):  # fmt: skip
            values = {"organization": organization, "project": f"other-{place}", "kind": kind, "seconds": seconds}
            await connection.execute(_PENDING, values)
    bound = (await kept(engine, needs=Needs(emptied={FULL.key}))).book.bound_projects(FULL)
    assert (bound.count, bound.first) == (9, names[: 1 + 2])


_PENDING = text(
    """
    INSERT INTO pending_bindings (organization, project, number, kind, due_at, account, command, source, type, origin)
    VALUES (:organization, :project, 1, :kind, clock_timestamp() + make_interval(secs => :seconds), 'none', '{}',
        '/shop', 't', '{}')
    """
)


async def test_accounts_are_found_by_a_reported_profile(engine: AsyncEngine) -> None:
    await kept(engine, BARE, FULL, *PROFILES, PROJECT, BINDING)
    needs = Needs(payment_profiles={("acme", "card")}, reported_profiles={("acme", "card")})
    book = (await kept(engine, needs=needs)).book
    assert book.accounts_attached_to(PROFILES[0]) == [FULL]
    assert book.bound_projects(FULL) == BoundProjects(1, ["web"], None)


async def test_the_attached_profile_comes_with_its_account(engine: AsyncEngine) -> None:
    await kept(engine, FULL, *PROFILES)
    book = (await kept(engine, needs=Needs(accounts={("acme", "full")}))).book
    assert book.payment_profile("acme", "card") == PROFILES[0]
