"""What must come out, computed without the pipelines: from what was sent, and from PostgreSQL's own bindings."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from examples.story import Outcome

_BINDINGS = text("SELECT organization, project, account, from_instant FROM bindings ORDER BY number")

_MICROSECOND = timedelta(microseconds=1)

Timelines = dict[tuple[str, str], list[tuple[datetime, str | None]]]


async def timelines(connection: AsyncConnection) -> Timelines:
    """Return from which instant on which account (or None) pays, for each organization and project."""
    found: Timelines = defaultdict(list)
    for row in await connection.execute(_BINDINGS):
        found[row.organization, row.project].append((row.from_instant, row.account))
    return dict(found)


def claims(outcome: Outcome, paid: Timelines) -> dict[str, bool]:
    """Return what must hold of an outcome, in words, and whether it does."""
    added_up = {(*cell, Fraction(quantity)) for *cell, quantity, _ in outcome.rollups}
    cut = {
        (account, line["project"], datetime.fromisoformat(line["from"]), Fraction(line["share"]))
        for account, lines in outcome.invoices.items()
        for line in lines
    }
    begin, end = outcome.period
    return {
        "The rollups are those of PostgreSQL's bindings, to the last digit": added_up
        == {(*cell, quantity) for cell, quantity in rollups(outcome.sent, paid).items()},
        "A new store that was filled from a replay has the same rollups": outcome.backfilled == outcome.rollups,
        "The invoices are cut as PostgreSQL's bindings are, to the microsecond": cut
        == {(account, *cell) for account in outcome.invoices for cell in shares(account, begin, end, paid)},
        "Each project of the suspended account is warned once": [
            (project, account) for project, account, _ in outcome.warnings
        ]
        == sorted((project, "product") for (_, project), changes in paid.items() if changes[-1][1] == "product"),
    }


def rollups(sent: Sequence[dict[str, Any]], paid: Timelines) -> dict[tuple[str, str, str], Fraction]:
    """Return what each account used, by day and meter, according to the last revision of each record."""
    latest: dict[str, dict[str, Any]] = {}
    for one in sent:
        if one["id"] not in latest or one["revision"] > latest[one["id"]]["revision"]:
            latest[one["id"]] = one
    sums: dict[tuple[str, str, str], Fraction] = defaultdict(Fraction)
    for one in latest.values():
        changes, at = paid.get((one["organization"], one["project"]), ()), datetime.fromisoformat(one["at"])
        begun = [account for since, account in changes if since <= at]
        if begun and begun[-1]:
            sums[begun[-1], one["at"][:10], one["meter"]] += Fraction(one["quantity"])
    return dict(sums)


def shares(account: str, begin: datetime, end: datetime, paid: Timelines) -> set[tuple[str, datetime, Fraction]]:
    """Return what an account paid for in a period: project, from when on, and the share of the period."""
    found = set()
    for (_, project), changes in paid.items():
        ends = [since for since, _ in changes[1:]] + [end]
        for (since, payer), until in zip(changes, ends, strict=True):
            first, last = max(since, begin), min(until, end)
            if payer == account and first < last:
                found.add((project, first, Fraction((last - first) // _MICROSECOND, (end - begin) // _MICROSECOND)))
    return found
