"""Payments: keep a case for every suspended account, and warn each project that it pays for, once.

    python -m examples.payments KAFKA PREFIX STORE [REPLAY]

A notice becomes one warning, whatever is killed, and however often the notice is read: its event id, which is the same
in every replay, is remembered with the warning. With REPLAY, that replay is read first: what was missed is made up for,
and what was known is not said again.
"""

import asyncio
import sqlite3
import sys
from contextlib import closing

from examples.outbox import Outbox
from whopays_client import (
    AccountPhaseChanged,
    Connection,
    Heard,
    ProjectBillingNotice,
    Replays,
    SQLiteStore,
    Subscriber,
)

Told = AccountPhaseChanged | ProjectBillingNotice
TOLD: tuple[type[Told], ...] = (AccountPhaseChanged, ProjectBillingNotice)

NAME = "payments"
WARNINGS = "payment-warnings"
"""The topic of warnings, without prefix: the key is the event id of the notice."""

_TABLES = """
CREATE TABLE IF NOT EXISTS warnings (event_id TEXT PRIMARY KEY, organization TEXT, project TEXT, account TEXT, at TEXT);
CREATE TABLE IF NOT EXISTS cases (organization TEXT, account TEXT, sequence INTEGER, phase TEXT, reason TEXT,
    suspended_at TEXT, PRIMARY KEY (organization, account));
"""
_PHASE = """
    INSERT INTO cases VALUES (:organization, :account, :sequence, :phase, :reason, :suspended_at)
    ON CONFLICT (organization, account) DO UPDATE SET
        sequence = excluded.sequence, phase = excluded.phase, reason = excluded.reason,
        suspended_at = excluded.suspended_at
    WHERE excluded.sequence > sequence
"""


async def run(connection: Connection, path: str, replay: str | None = None) -> None:
    """Read a replay, if one is named, and then what is published, for ever. Raises what ends it: start it again."""
    begin = None if replay is None else await Replays(connection).completed(replay)
    # A replay has a reader of its own, whose sequences begin anew; the tables know what was done before.
    name = NAME if begin is None else f"{NAME}/{begin.name}"
    with closing(SQLiteStore(path)) as store:
        async with store.transaction(NAME) as transaction:
            for statement in _TABLES.split(";"):
                transaction.execute(statement)
        # The present phase is enough for a case, so a change that compaction took away is not missed.
        reader = Subscriber[Told, sqlite3.Connection](connection, store, name, TOLD, begin=begin, on_gap="refetch")
        async with (
            reader,
            Outbox(connection, store, NAME, connection.topic(WARNINGS)) as outbox,
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(outbox.keep_publishing())
            async for change in reader:
                handle(change.transaction, change.heard)


def handle(transaction: sqlite3.Connection, heard: Heard[Told]) -> None:
    """Take in a phase change or a notice; again, after later ones or from a replay, it changes nothing."""
    match heard.event:
        case AccountPhaseChanged() as event:
            case = event.model_dump(include={"organization", "account", "phase", "reason"}, by_alias=False)
            suspended_at = heard.time.isoformat() if event.phase == "Suspended" else None
            transaction.execute(_PHASE, {**case, "sequence": heard.sequence, "suspended_at": suspended_at})
        case ProjectBillingNotice(kind="AccountSuspended") as event:
            told = (heard.id, event.organization, event.project, event.account, heard.time.isoformat())
            if transaction.execute("INSERT OR IGNORE INTO warnings VALUES (?, ?, ?, ?, ?)", told).rowcount:
                Outbox.put(transaction, heard.id, warning(event))
        case ProjectBillingNotice():
            pass  # no suspension


def warning(event: ProjectBillingNotice) -> dict[str, str | None]:
    """Return what a project is told."""
    return {
        "organization": event.organization,
        "project": event.project,
        "account": event.account,
        "reason": event.reason,
        "text": f"{event.account}, which pays for {event.project}, is suspended: {event.message or event.reason}",
    }


if __name__ == "__main__":
    asyncio.run(run(Connection(sys.argv[1], sys.argv[2]), *sys.argv[3:]))
