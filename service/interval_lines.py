"""All intervals of a project, or of an account, as lines from one snapshot, for invoices."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from db.questions.intervals import (
    account_interval_lines,
    is_known_account,
    is_known_project,
    project_interval_lines,
)
from db.questions.periods import Period
from schemas.instants import format_instant
from service.cursors import CURSOR
from service.lines import LINES, line, send_lines
from service.parameters import FROM, LIMIT, UNTIL, conflicting
from service.problems import Problem, Violation
from service.questions import Asked
from service.snapshots import Snapshot, snapshot

Lines = Callable[[Any, str, str, Period], AsyncIterator[list[bytes]]]
IsKnown = Callable[[Any, str, str], Awaitable[bool]]


def lines_of_project(asked: Asked, unknown: Problem) -> ASGIApp:
    """Return an application that sends the intervals of a project, or raises `unknown` if there is no such project."""
    return _lines_of(asked, asked.names["project"], is_known_project, project_interval_lines, unknown)


def lines_of_account(asked: Asked, unknown: Problem) -> ASGIApp:
    """Return an application that sends the intervals of an account, or raises `unknown` if there is no such account."""
    return _lines_of(asked, asked.names["account"], is_known_account, account_interval_lines, unknown)


def wrong_pages(asked: Asked) -> list[Violation]:
    """Return the parameters that conflict with lines, which are never paged."""
    if asked.media != LINES:
        return []
    return [
        conflicting(one.name, f"It does not go with {LINES}.") for one in (LIMIT, CURSOR) if one.name in asked.values
    ]


def _lines_of(asked: Asked, name: str, is_known: IsKnown, lines: Lines, unknown: Problem) -> ASGIApp:
    async def application(_scope: Scope, receive: Receive, send: Send) -> None:
        async with asked.state.heavy.one(), snapshot(asked.state, asked.organization) as (connection, found):
            if not await is_known(connection, asked.organization, name):
                raise unknown
            period = Period.of(found, asked.values.get(FROM.name), asked.values.get(UNTIL.name))
            answer_lines = _all_lines(lines(connection, asked.organization, name, period), period, found)
            await send_lines(asked, answer_lines, receive, send, found)

    return application


async def _all_lines(intervals: AsyncIterator[list[bytes]], period: Period, found: Snapshot) -> AsyncGenerator[bytes]:
    count = 0
    async for some in intervals:
        count += len(some)
        yield b"\n".join(some) + b"\n"
    closed = None if found.closed is None else format_instant(found.closed)
    yield line({"closedUntil": closed, "asOf": found.as_of, "items": count, "settled": period.is_settled})
