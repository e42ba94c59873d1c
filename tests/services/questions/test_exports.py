"""Payer intervals in bulk: every period cuts those of the story as a list of them says."""

import csv
import io
from collections.abc import Iterator
from itertools import product
from typing import Any, Literal

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.exports import COLUMNS, Exported, copy_intervals, count_intervals
from schemas.instants import format_instant
from tests.services.questions.story import LEGACY_ID, TICK, asking, day

_PAID = (
    ("acme", "again", 1, "main", 1, 2), ("acme", "again", 3, "spare", 3, None), ("acme", "api", 1, "main", 1, 4),
    ("acme", "late", 1, "main", 7, None), ("acme", "off", 1, "spare", 2, None), ("acme", "web", 1, "main", 1, 2),
    ("acme", "web", 2, "spare", 2, 3), ("acme", "web", 3, "main", 3, None), ("globex", "web", 1, "main", 1, None),
)  # fmt: skip
"""Organization, project, number, account, and from which day until which."""


async def test_each_period_has_what_was_paid_in_it(told: AsyncEngine) -> None:
    async with asking(told) as (connection, _):
        rows = await connection.execute(text("SELECT organization, account, display_name FROM accounts"))
        names = {(row.organization, row.account): row.display_name or row.account for row in rows}
        bounds = (
            (day(1), day(2)),
            (day(2), day(3)),
            (day(2) + TICK, day(4)),
            (day(3) - TICK, day(3)),
            (day(1), day(9)),
        )
        for (begins, ends), whose, closed in product(bounds, ("acme", "globex", None), (None, day(3), day(9))):
            what = Exported(begins, ends, whose, closed)
            expected = [_row(paid, what, names) for paid in _within(what)]
            found = await _copied(connection, what, "ndjson")
            assert [orjson.loads(line) for line in found.splitlines()] == expected, what
            assert await count_intervals(connection, what) == len(expected)


def _within(what: Exported) -> Iterator[tuple[Any, ...]]:
    for organization, project, number, account, begin, end in _PAID:
        ended_at = None if end is None else day(end)
        if what.organization not in (None, organization) or day(begin) >= what.ends:
            continue
        if ended_at is None or ended_at > what.begins:
            yield organization, project, number, account, day(begin), ended_at


def _row(paid: tuple[Any, ...], what: Exported, names: dict[tuple[str, str], str]) -> dict[str, Any]:
    organization, project, number, account, begin, ended_at = paid
    last = min(ended_at or what.ends, what.ends)
    is_over = ended_at is not None or (what.closed is not None and what.ends <= what.closed)
    return {
        "BillingAccountId": f"{organization}/{account}",
        "BillingAccountName": names[organization, account],
        "BillingCurrency": {"main": "EUR", "spare": "USD"}[account],
        "BillingPeriodEnd": format_instant(what.ends),
        "BillingPeriodStart": format_instant(what.begins),
        "ChargePeriodEnd": format_instant(last) if is_over else None,
        "ChargePeriodStart": format_instant(max(begin, what.begins)),
        "SubAccountId": f"{organization}/{project}",
        "SubAccountName": "The web" if (organization, project) == ("acme", "web") else project,
        "x_Account": account,
        "x_BindingId": LEGACY_ID if project == "api" else f"{organization}/{project}/{number}",
        "x_EndedAt": None if ended_at is None else format_instant(ended_at),
        "x_EstablishedAt": format_instant(begin),
        "x_Organization": organization,
        "x_Project": project,
        "x_Settled": what.closed is not None and last <= what.closed,
    }


async def test_what_is_for_people_has_names_and_no_formulas(told: AsyncEngine) -> None:
    what = Exported(day(2), day(3), "acme", day(9))
    async with told.connect() as connection:
        await connection.execute(text("UPDATE accounts SET display_name = '=1+1' WHERE account = 'spare'"))
        await connection.execute(text("UPDATE projects SET display_name = '@x' WHERE project = 'off'"))
        of_people = _read(await _copied(connection, what, "csv"))
        plain = _read(await _copied(connection, what, "table"))
        await connection.rollback()
    header, *rows = of_people
    assert header == [column.name for column in COLUMNS]
    assert [(row[1], row[8], row[-1]) for row in rows if row[9] == "spare"] == [
        ("'=1+1", "'@x", "true"), ("'=1+1", "The web", "true"),
    ]  # fmt: skip
    assert [[cell.removeprefix("'") for cell in row] for row in rows] == plain
    assert "=1+1" in plain[1]


def test_what_is_settled_ends_by_what_is_closed() -> None:
    closed = (None, day(2) - TICK, day(2), day(2) + TICK)
    assert [Exported(day(1), day(2), None, one).is_settled for one in closed] == [False, False, True, True]


def _read(said: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(said.decode())))


async def _copied(connection: AsyncConnection, what: Exported, form: Literal["csv", "ndjson", "table"]) -> bytes:
    parts: list[bytes] = []

    async def take(data: bytes) -> None:
        parts.append(data)

    number = await copy_intervals(connection, what, form, take)
    said = b"".join(parts)
    assert number == said.count(b"\n") - (form == "csv")
    return said
