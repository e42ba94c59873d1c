"""What commands that ask read page by page, and what they see while they watch."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, TypeVar

import pytest
from asyncpg import ReadOnlySQLTransactionError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from cli.asking import changed, pages
from cli.asking.snapshots import one_snapshot, snapshots
from cli.asking.tail import events
from cli.asking.who import _watch
from cli.terminal.ending import CommandFailed
from cli.terminal.paging import Key, Wanted
from db.driver import Driver
from db.questions import accounts
from db.questions.events import TOPICS
from db.questions.snapshots import Snapshot
from schemas.instants import format_instant, parse_instant
from schemas.topics import Topic
from tests.services.cli.telling import Told
from tests.support.batches import batches
from tests.support.command_line import Whopays
from tests.support.installations import Installation
from tests.support.model.said import Said
from tests.support.telling import tell
from tests.support.waiting import patience, until

_CREATE = Said("CreateAccount", "create", {"organization": "acme", "account": "a"})
_SUSPEND = Said("SuspendAccount", "suspend", {"organization": "acme", "account": "a", "reason": "Administrative"})
Found = TypeVar("Found")


async def _next(found: AsyncGenerator[Found]) -> Found:
    return await anext(found)


def _url(engine: AsyncEngine) -> str:
    return engine.url.render_as_string(hide_password=False)


async def test_all_is_what_the_pages_are_together(playground: Installation, told: Told) -> None:
    url = playground.settings.database_url
    async with one_snapshot(url, "told") as (connection, known):
        parts = (connection, "told", known)
        assert await changed._position(*parts, None) == 0
        (whole,) = [page async for page in changed._pages(*parts, 0, 1000, TOPICS)]
        for limit in (2, len(whole)):
            found = [page async for page in changed._pages(*parts, 0, limit, TOPICS)]
            assert [event for page in found for event in page] == whole
            assert {len(page) for page in found[:-1]} <= {limit}

    async def by_two(connection: Driver, _: Snapshot, /, *, limit: int, after: Key | None) -> Any:
        return await accounts.accounts(connection, "told", phase=None, limit=min(limit, 2), after=after)

    for is_all, names in ((True, [["draft", "lab"], ["main"]]), (False, [["draft", "lab"]])):
        async with aclosing(pages._pages(url, "told", Wanted(100, None, is_all, True), by_two, None)) as listed:
            assert [[one["account"] for one in page[0]] async for page, _ in listed if page] == names


async def test_what_is_no_longer_kept_cannot_be_gone_back_to(engine: AsyncEngine) -> None:
    await tell(batches(engine), [_CREATE, _SUSPEND])
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE log DISABLE TRIGGER USER"))
        await connection.execute(text("DELETE FROM log WHERE position <= 2"))
    async with one_snapshot(_url(engine), "acme") as (asking, known):
        assert known.position > 3
        for after, position in ((None, 2), (2, 2), (3, 3), (known.position, known.position)):
            place = None if after is None else (known.shard, after)
            assert await changed._position(asking, "acme", known, place) == position
        for after, words in (
            (0, f"what follows is no longer kept; the oldest event is {known.shard}-3"),
            (1, f"what follows is no longer kept; the oldest event is {known.shard}-3"),
            (known.position + 1, f"there is no such event yet; the last is {known.as_of}"),
        ):
            with pytest.raises(CommandFailed, match=f"^--after {known.shard}-{after}: {words}\\.$"):
                await changed._position(asking, "acme", known, (known.shard, after))


async def test_a_snapshot_comes_with_a_commit_and_cannot_write(engine: AsyncEngine) -> None:
    async with one_snapshot(_url(engine), "acme") as (connection, _):
        with pytest.raises(ReadOnlySQLTransactionError):
            await connection.execute("DELETE FROM installation")
    async with aclosing(snapshots(_url(engine), "acme")) as found:
        _, first = await anext(found)
        positions = [first.position]
        for said in (_CREATE, _SUSPEND):
            later = asyncio.create_task(_next(found))
            await tell(batches(engine), [said])
            _, known = await asyncio.wait_for(later, patience(30))
            positions.append(known.position)
    assert positions[0] == 0
    assert positions == sorted(set(positions)), "each is further than the one before"


@pytest.mark.parametrize("project", ("web", "idle"))
async def test_payers_are_told_in_a_line(
    playground: Installation, told: Told, capsys: pytest.CaptureFixture[str], project: str
) -> None:
    watching = asyncio.create_task(_watch(playground.settings.database_url, "told", project, as_json=False))

    async def said() -> str | None:
        return capsys.readouterr().out or None

    try:
        instant, payer = (await until(said, "who pays")).split()
    finally:
        watching.cancel()
        await asyncio.wait([watching])
    if project == "web":
        assert (instant, payer) == (told.changes[2], "main")
    else:
        assert (format_instant(parse_instant(instant)), payer) == (instant, "nobody")


@pytest.mark.usefixtures("told")
async def test_whom_nobody_knows_is_not_watched(playground: Installation) -> None:
    with pytest.raises(CommandFailed, match=r"^The organization told has no project wbe: "):
        await _watch(playground.settings.database_url, "told", "wbe", as_json=False)


async def test_who_follows_hears_what_is_published_from_then_on(whopays: Whopays, playground: Installation) -> None:
    create = ("send", "CreateAccount", "--organization", "onward")
    (await whopays(*create, "account=before")).expect(0)
    async with aclosing(events(playground.settings, [Topic.ACCOUNTS], from_beginning=False)) as found:
        following = asyncio.create_task(_next(found))
        number = 0
        while not following.done():
            number += 1
            (await whopays(*create, f"account=later-{number}")).expect(0)
        assert (await following)["subject"].startswith("onward/later-")
