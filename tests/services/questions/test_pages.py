"""Lists: their filters and order, what a page ends with, and how periods cut intervals."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import orjson
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.questions.accounts import accounts, phases
from db.questions.intervals import (
    account_interval_lines,
    account_intervals,
    project_interval_lines,
    project_intervals,
)
from db.questions.pages import After, Page
from db.questions.periods import Period
from db.questions.projects import projects
from schemas.events import Phase
from tests.services.questions.story import (
    LEGACY_ID,
    PHASES,
    SHARD,
    TICK,
    asking,
    day,
    interval,
    said_at,
    text_of,
)

Asked = Callable[[AsyncConnection, int, After | None], Awaitable[Page | None]]


async def all_pages(connection: AsyncConnection, question: Asked, limit: int) -> list[dict[str, Any]]:
    """Return what is on all pages of a question; each but the last is full, and none but the first is empty."""
    found: list[dict[str, Any]] = []
    after: After | None = None
    while True:
        page = await question(connection, limit, after)
        assert page is not None
        items, after = page
        assert items or not found
        found += items
        if after is None:
            return found
        assert len(items) == limit


_DELETED = {"api", "never"}
_UNBOUND = ["asleep", "idle", "p-1", "p.1", "p1"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    (
        ({}, ["again", "asleep", "idle", "late", "off", "p-1", "p.1", "p1", "web"]),
        ({"state": "Active"}, ["again", "idle", "late", "p-1", "p.1", "p1", "web"]),
        ({"state": "Inactive"}, ["asleep", "off"]),
        ({"state": "Deleted"}, ["api", "never"]),
        ({"unbound": True}, _UNBOUND),
        ({"unbound": True, "state": "Active"}, ["idle", "p-1", "p.1", "p1"]),
        ({"unbound": True, "state": "Inactive"}, ["asleep"]),
        ({"unbound": True, "state": "Deleted"}, ["api", "never"]),
        ({"unbound": False}, ["again", "late", "off", "web"]),
        ({"unbound": False, "state": "Inactive"}, ["off"]),
        ({"unbound": False, "state": "Deleted"}, []),
        ({"account": "main"}, ["late", "web"]),
        ({"account": "spare"}, ["again", "off"]),
        ({"account": "spare", "state": "Inactive"}, ["off"]),
        ({"account": "spare", "state": "Deleted"}, []),
        ({"account": "unknown"}, []),
        ({"at": day(1)}, ["again", "api", "asleep", "idle", "late", "never", "off", "p-1", "p.1", "p1", "web"]),
        ({"at": day(1), "state": "Deleted"}, ["api", "never"]),
        ({"at": day(1), "state": "Active"}, ["again", "idle", "late", "p-1", "p.1", "p1", "web"]),
        ({"account": "main", "at": day(1)}, ["again", "api", "web"]),
        ({"account": "main", "at": day(1), "state": "Deleted"}, ["api"]),
        ({"account": "main", "at": day(2)}, ["api"]),
        ({"account": "main", "at": day(3)}, ["api", "web"]),
        ({"account": "main", "at": day(4)}, ["web"]),
        ({"account": "main", "at": day(7)}, ["late", "web"]),
        ({"account": "spare", "at": day(3) - TICK}, ["off", "web"]),
    ),
)
async def test_projects_by_name(told: AsyncEngine, filters: dict[str, Any], expected: list[str]) -> None:
    async with asking(told) as (connection, _):
        for limit in (1, 2, 100):
            found = await all_pages(
                connection, lambda on, most, after: projects(on, "acme", **filters, limit=most, after=after), limit
            )
            assert [one["project"] for one in found] == expected


async def test_projects_tell_their_payers_now_or_then(told: AsyncEngine) -> None:
    async with asking(told) as (connection, _):
        now, _ = await projects(connection, "acme", limit=100)
        then, _ = await projects(connection, "acme", at=day(2), limit=100)
        paid, _ = await projects(connection, "acme", account="main", at=day(3), limit=100)
        elsewhere, _ = await projects(connection, "globex", limit=100)
    assert now[-1] == {
        "organization": "acme", "project": "web", "state": "Active", "version": 1, "uid": "u-1",
        "displayName": "The web", "payer": interval("web", "main", 3, 3),
    }  # fmt: skip
    assert {one["project"]: one["payer"] for one in now if one["payer"]} == {
        "again": interval("again", "spare", 3, 3), "late": interval("late", "main", 1, 7),
        "off": interval("off", "spare", 1, 2), "web": interval("web", "main", 3, 3),
    }  # fmt: skip
    assert {one["project"]: one["payer"] for one in then if one["payer"]} == {
        "api": interval("api", "main", 1, 1, 4, bindingId=LEGACY_ID), "off": interval("off", "spare", 1, 2),
        "web": interval("web", "spare", 2, 2, 3),
    }  # fmt: skip
    # All but the payer is of now.
    assert (paid[0]["project"], paid[0]["state"]) == ("api", "Deleted")
    assert paid[0]["payer"] == interval("api", "main", 1, 1, 4, bindingId=LEGACY_ID)
    assert [one["payer"]["organization"] for one in elsewhere] == ["globex"]


_WEB: tuple[tuple[dict[str, datetime], list[tuple[str, int, int, int | None]]], ...] = (
    ({}, [("main", 1, 1, 2), ("spare", 2, 2, 3), ("main", 3, 3, None)]),
    ({"begin": day(2)}, [("spare", 2, 2, 3), ("main", 3, 3, None)]),
    ({"end": day(2)}, [("main", 1, 1, 2)]),
    ({"begin": day(2) - TICK, "end": day(2) + TICK}, [("main", 1, 1, 2), ("spare", 2, 2, 3)]),
    ({"begin": day(9)}, [("main", 3, 3, None)]),
    ({"end": day(1)}, []),
)


@pytest.mark.parametrize(("bounds", "expected"), _WEB)
@pytest.mark.parametrize("limit", (1, 2, 100))
async def test_intervals_of_a_project(
    told: AsyncEngine, bounds: dict[str, datetime], expected: list[tuple[str, int, int, int | None]], limit: int
) -> None:
    async with asking(told) as (connection, snapshot):
        period = Period.of(snapshot, **bounds)
        found = await all_pages(
            connection,
            lambda on, most, after: project_intervals(on, "acme", "web", period, limit=most, after=after),
            limit,
        )
        lines = [line async for part in project_interval_lines(connection, "acme", "web", period) for line in part]
    assert [orjson.loads(line) for line in lines] == found
    assert [list(orjson.loads(line)) for line in lines] == [list(one) for one in found]
    for one in found:
        assert one.pop("from") == max(one["establishedAt"], _text(bounds.get("begin")) or "")
        until = min(filter(None, (one["endedAt"], _text(bounds.get("end")))), default=None)
        assert one.pop("until") == until
    assert found == [interval("web", *one) for one in expected]


async def test_a_period_cuts_what_lasts_only_where_it_is_closed(told: AsyncEngine) -> None:
    late = interval("late", "main", 1, 7) | {"from": text_of(7), "until": None}
    async with asking(told) as (connection, snapshot):
        for end, is_settled, until in ((day(5), True, text_of(5)), (day(6), False, None), (None, False, None)):
            period = Period.of(snapshot, day(4), end)
            assert period.is_settled is is_settled
            web = interval("web", "main", 3, 3) | {"from": text_of(4), "until": until}
            # It paid for api until that very instant.
            expected = [web] if end else [late, web]
            assert await account_intervals(connection, "acme", "main", period, limit=9) == (expected, None)


async def test_intervals_of_an_account_by_project_then_begin(told: AsyncEngine) -> None:
    expected = [
        interval("again", "main", 1, 1, 2), interval("api", "main", 1, 1, 4, bindingId=LEGACY_ID),
        interval("late", "main", 1, 7), interval("web", "main", 1, 1, 2), interval("web", "main", 3, 3),
    ]  # fmt: skip
    async with asking(told) as (connection, snapshot):
        period = Period.of(snapshot)
        found: list[dict[str, Any]] = []
        for limit in (1, 2, 5, 100):
            found = await all_pages(
                connection,
                lambda on, most, after: account_intervals(on, "acme", "main", period, limit=most, after=after),
                limit,
            )
            assert found == [one | {"from": one["establishedAt"], "until": one["endedAt"]} for one in expected]
        lines = [line async for part in account_interval_lines(connection, "acme", "main", period) for line in part]
        assert [orjson.loads(line) for line in lines] == found
        for settled in (True, False):
            period = Period(day(1) + TICK, day(8), settled)
            page = await account_intervals(connection, "acme", "main", period, limit=100)
            assert page is not None
            lines = [line async for part in account_interval_lines(connection, "acme", "main", period) for line in part]
            assert [orjson.loads(line) for line in lines] == page[0]


async def test_nothing_is_listed_of_what_is_unknown(told: AsyncEngine) -> None:
    async with asking(told) as (connection, snapshot):
        period = Period.of(snapshot)
        assert await project_intervals(connection, "acme", "unknown", period, limit=1) is None
        assert await account_intervals(connection, "acme", "unknown", period, limit=1) is None
        assert await phases(connection, "acme", "unknown", limit=1) is None
        assert await project_intervals(connection, "acme", "idle", period, limit=1) == ([], None)
        assert await account_intervals(connection, "acme", "closed", period, limit=1) == ([], None)
        assert await projects(connection, "unheard-of", limit=1) == ([], None)
        assert await accounts(connection, "unheard-of", limit=1) == ([], None)


@pytest.mark.parametrize(
    ("phase", "expected"),
    (
        (None, ["a-new", "a.new", "a0new", "closed", "main", "spare"]),
        (Phase.PROVISIONING, ["a-new", "a.new", "a0new"]),
        (Phase.ARCHIVED, ["closed"]),
        (Phase.INCOMPLETE, []),
    ),
)
@pytest.mark.parametrize("limit", (1, 3, 100))
async def test_accounts_in_the_order_of_their_bytes(
    told: AsyncEngine, phase: Phase | None, expected: list[str], limit: int
) -> None:
    async with asking(told) as (connection, _):
        found = await all_pages(
            connection, lambda on, most, after: accounts(on, "acme", phase=phase, limit=most, after=after), limit
        )
    assert [one["account"] for one in found] == expected
    assert all({"cause", "contact", "boundProjects"} & one.keys() == set() and "holds" in one for one in found)


@pytest.mark.parametrize("limit", (1, 3))
async def test_the_history_of_an_account(told: AsyncEngine, limit: int) -> None:
    async with asking(told) as (connection, _):
        found = await all_pages(
            connection, lambda on, most, after: phases(on, "acme", "main", limit=most, after=after), limit
        )
    assert found == [
        {
            "organization": "acme", "account": "main", "previousPhase": event.previous_phase, "phase": event.phase,
            "reason": event.reason, "message": event.message, "cause": cause, "at": _text(said_at(number)),
            "eventId": f"{SHARD}-{number}",
        }
        for number, (event, cause) in enumerate(
            zip(
                PHASES,
                (
                    {"commandId": "create", "by": "alice"},
                    {"factId": "card-1", "by": "/payments"},
                    {"commandId": "hold", "by": "bob"},
                ),
                strict=True,
            ),
            1,
        )
    ]  # fmt: skip


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
