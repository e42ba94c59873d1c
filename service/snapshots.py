"""One snapshot for one answer: a read-only transaction, and the positions and instants that describe it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from db.errors import is_transient, is_wrong_schema
from db.questions.snapshots import Snapshot, snapshot_of
from service.problems import Problem, unavailable
from service.state import State

__all__ = ["Snapshot", "asking", "note", "reading", "snapshot", "statement"]


@asynccontextmanager
async def snapshot(state: State, organization: str) -> AsyncIterator[tuple[Any, Snapshot]]:
    """Yield a connection in a read-only, repeatable-read transaction, and the snapshot of an organization.

    The connection is the driver's own: query it with `db.questions`, or `db.driver.fetch`. A Problem raised within is
    answered with this snapshot. Raises Problem `Unavailable`.
    """
    shard = state.shard_of(organization)
    before = state.known.get(shard)
    async with reading(state) as connection:
        found = await snapshot_of(connection, shard)
        note(state, found, before)
        try:
            yield connection, found
        except Problem as problem:
            problem.snapshot = found
            raise


@asynccontextmanager
async def reading(state: State) -> AsyncIterator[Any]:
    """Yield a connection in such a transaction, for no particular organization. Raises Problem `Unavailable`."""
    async with (
        asking(),
        state.pool.acquire(wait_seconds=_ACQUIRE_SECONDS) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        yield connection


@asynccontextmanager
async def statement(state: State) -> AsyncIterator[Any]:
    """Yield a connection for a single statement, which is its own snapshot. Raises Problem `Unavailable`."""
    async with asking(), state.pool.acquire(wait_seconds=_ACQUIRE_SECONDS) as connection:
        yield connection


@asynccontextmanager
async def asking() -> AsyncIterator[None]:
    """Turn the errors of a database that is unreachable, or too slow, into Problem `Unavailable`."""
    try:
        yield
    except Problem:
        raise
    except Exception as error:
        if is_transient(error) or is_wrong_schema(error):
            raise unavailable() from error
        raise


def note(state: State, found: Snapshot, before: Snapshot | None) -> None:
    """Record a snapshot as known. Raises Problem `Unavailable` if `before`, an earlier snapshot, is ahead of it.

    A closed instant must stay closed: answers from a database that is behind an earlier answer, after a failover or
    because a replica lags behind another, would take it back.
    """
    if before is not None and (found.position < before.position or not _reaches(found.closed, before.closed)):
        raise unavailable("The database knows less than it did before.")
    known = state.known.get(found.shard)
    if known is None or (found.position >= known.position and _reaches(found.closed, known.closed)):
        state.known[found.shard] = found


def _reaches(closed: datetime | None, before: datetime | None) -> bool:
    return before is None or (closed is not None and closed >= before)


_ACQUIRE_SECONDS = 5.0
"""How long a question waits for a connection before it is `Unavailable`."""
