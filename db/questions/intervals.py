"""Who paid when: the intervals of a project, or of an account, within a period.

An item is an interval (`db.questions.shapes`) with `from` and `until`, the part of it within the period. Intervals that
overlap the period are included; those that only touch it are not.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from db.driver import Connection, Statement, fetch, fetch_in_parts
from db.questions.pages import After, Page, page_of
from db.questions.periods import Period
from db.questions.shapes import INTERVAL_COLUMNS, JSON_INTERVAL_MEMBERS, binding_id, interval, json_instant

_LINES_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One payer of a project, in `[established_at, ended_at)`; `number` counts payers from 1."""

    number: int
    binding_id: str
    account: str
    established_at: datetime
    ended_at: datetime | None


async def timeline(connection: Connection, organization: str, project: str) -> list[TimelineEntry]:
    """Return all payers of a project, oldest first: each pays until the next change of payer."""
    rows = await fetch(connection, _TIMELINE, organization=organization, project=project)
    ends = [*(row["from_instant"] for row in rows[1:]), None]
    paid = [(row, end) for row, end in zip(rows, ends, strict=False) if row["account"] is not None]
    return [
        TimelineEntry(
            number,
            binding_id(organization, project, row["number"], row["legacy_id"]),
            row["account"],
            row["from_instant"],
            end,
        )
        for number, (row, end) in enumerate(paid, 1)
    ]


async def project_intervals(
    connection: Connection,
    organization: str,
    project: str,
    period: Period,
    *,
    limit: int,
    after: After | None = None,
) -> Page | None:
    """Return a page of the intervals of a project, oldest first; None if it was never reported.

    The key is `(number,)` of the binding.
    """
    if not await is_known_project(connection, organization, project):
        return None
    (number,) = after or (0,)
    values = {"organization": organization, "project": project, "begin": period.begin, "end": period.end}
    rows = await fetch(connection, _OF_PROJECT, **values, after_number=number, row_limit=limit + 1)
    return page_of(rows, limit, lambda row: _item(row, period), "number")


async def account_intervals(
    connection: Connection,
    organization: str,
    account: str,
    period: Period,
    *,
    limit: int,
    after: After | None = None,
) -> Page | None:
    """Return a page of the intervals in which an account paid, by project, then begin; None if there is no account.

    The key is `(project, number)` of the binding.
    """
    if not await is_known_account(connection, organization, account):
        return None
    project, number = after or ("", 0)
    values = {"organization": organization, "account": account, "begin": period.begin, "end": period.end}
    rows = await fetch(
        connection, _OF_ACCOUNT, **values, after_project=project, after_number=number, row_limit=limit + 1
    )
    return page_of(rows, limit, lambda row: _item(row, period), "project", "number")


async def project_interval_lines(
    connection: Connection, organization: str, project: str, period: Period
) -> AsyncIterator[list[bytes]]:
    """Yield all intervals of a project as JSON without line ends, some hundreds at a time, in the order of pages."""
    names = {"organization": organization, "project": project}
    async for lines in _lines(connection, _LINES_OF_PROJECT, period, **names, after_number=0):
        yield lines


async def account_interval_lines(
    connection: Connection, organization: str, account: str, period: Period
) -> AsyncIterator[list[bytes]]:
    """Yield all intervals of an account as JSON without line ends, some hundreds at a time, in the order of pages.

    It uses a server-side cursor: memory does not grow with their number, neither here nor in the server.
    """
    names = {"organization": organization, "account": account}
    async for lines in _lines(connection, _LINES_OF_ACCOUNT, period, **names, after_project="", after_number=0):
        yield lines


async def is_known_project(connection: Connection, organization: str, project: str) -> bool:
    """Return whether a project was ever reported."""
    return bool(await fetch(connection, _KNOWN_PROJECT, organization=organization, project=project))


async def is_known_account(connection: Connection, organization: str, account: str) -> bool:
    """Return whether an account was ever created."""
    return bool(await fetch(connection, _KNOWN_ACCOUNT, organization=organization, account=account))


async def _lines(
    connection: Connection, statement: Statement, period: Period, **values: Any
) -> AsyncIterator[list[bytes]]:
    values |= {"begin": period.begin, "end": period.end, "is_settled": period.is_settled}
    async for rows in fetch_in_parts(connection, statement, _LINES_AT_ONCE, **values):
        yield [row["line"] for row in rows]


def _item(row: Mapping[str, Any], period: Period) -> dict[str, Any]:
    part = period.within(row["established_at"], row["ended_at"])
    return interval(*(row[name] for name in INTERVAL_COLUMNS)) | part


_KNOWN_PROJECT = Statement("SELECT FROM projects WHERE organization = :organization AND project = :project")
_KNOWN_ACCOUNT = Statement("SELECT FROM accounts WHERE organization = :organization AND account = :account")
_TIMELINE = Statement(
    """
    SELECT account, number, legacy_id, from_instant FROM bindings
    WHERE organization = :organization AND project = :project ORDER BY number
    """
)
_PAID = """
    SELECT paid.organization, paid.project, paid.account, paid.number, paid.legacy_id, accounts.currency_code,
        paid.from_instant AS established_at, following.from_instant AS ended_at
    FROM bindings AS paid
    LEFT JOIN bindings AS following ON following.organization = paid.organization
        AND following.project = paid.project AND following.number = paid.number + 1
    JOIN accounts ON accounts.organization = paid.organization AND accounts.account = paid.account
    WHERE (CAST(:end AS timestamptz) IS NULL OR paid.from_instant < :end)
        AND (CAST(:begin AS timestamptz) IS NULL OR following.from_instant IS NULL OR following.from_instant > :begin)
"""
# Releases have no account, so the join drops them.
_PAID_OF_PROJECT = f"""
    {_PAID} AND paid.organization = :organization AND paid.project = :project AND paid.number > :after_number
    ORDER BY paid.number
"""
_PAID_OF_ACCOUNT = f"""
    {_PAID} AND paid.organization = :organization AND paid.account = :account
        AND (paid.project, paid.number) > (:after_project, :after_number)
    ORDER BY paid.project, paid.number
"""
_LINE = f"""
    SELECT convert_to(
        '{{{{' || {JSON_INTERVAL_MEMBERS}
        || ',"from":' || {json_instant("greatest(held.established_at, :begin)")}
        || ',"until":' || CASE
            WHEN held.ended_at IS NOT NULL THEN {json_instant("least(held.ended_at, :end)")}
            WHEN :is_settled THEN {json_instant("CAST(:end AS timestamptz)")}
            ELSE 'null' END
        || '}}}}', 'UTF8') AS line
    FROM ({{paid}}) AS held
"""
_OF_PROJECT = Statement(f"{_PAID_OF_PROJECT} LIMIT :row_limit")
_OF_ACCOUNT = Statement(f"{_PAID_OF_ACCOUNT} LIMIT :row_limit")
_LINES_OF_PROJECT = Statement(_LINE.format(paid=_PAID_OF_PROJECT))
_LINES_OF_ACCOUNT = Statement(_LINE.format(paid=_PAID_OF_ACCOUNT))
