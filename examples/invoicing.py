"""Invoicing: what an account paid for in a period, cut at the exact instants.

    python -m examples.invoicing KAFKA PREFIX STORE ORGANIZATION ACCOUNT FROM UNTIL [REPLAY]

Waits until everything up to the end of the period is known, and writes a line of JSON for each interval: whose project,
from when until when, its share of the period as an exact fraction, and the currency and payment terms that the account
was bound on. An invoice is cut once and kept: whoever asks again is shown the same. With REPLAY, a new store begins
with that replay; without, with what the topic still holds.
"""

import asyncio
import json
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from whopays_client import BindingChanged, Change, Connection, HistoryMissing, Payers, Replays, SQLiteStore, Subscriber

NAME = "invoicing"
_MICROSECOND = timedelta(microseconds=1)
_TABLES = """
CREATE TABLE IF NOT EXISTS intervals (binding_id TEXT PRIMARY KEY, organization TEXT, project TEXT, account TEXT,
    currency TEXT, terms TEXT, began TEXT, ended TEXT);
CREATE INDEX IF NOT EXISTS paid ON intervals (organization, account, began);
CREATE TABLE IF NOT EXISTS projects (organization TEXT, project TEXT, known_since TEXT,
    PRIMARY KEY (organization, project));
CREATE TABLE IF NOT EXISTS invoices (organization TEXT, account TEXT, began TEXT, ended TEXT, lines TEXT,
    PRIMARY KEY (organization, account, began, ended));
"""


async def run(
    connection: Connection,
    path: str,
    organization: str,
    account: str,
    period: tuple[datetime, datetime],
    replay: str | None = None,
    wait_seconds: float = 3600,
) -> list[dict[str, Any]]:
    """Return the lines of an invoice for a period (half-open).

    Raises NotKnownYet where the period is not over, and known to be over, in time; HistoryMissing where the store does
    not reach back far enough; SequenceGap where changes are missing.
    """
    begin = None if replay is None else await Replays(connection).completed(replay)
    with closing(SQLiteStore(path)) as store:
        async with store.transaction(NAME) as transaction:
            for statement in _TABLES.split(";"):
                transaction.execute(statement)
        async with Payers(connection, store, f"{NAME}/payers", begin=begin) as payers:
            await payers.until(period[1], wait_seconds)
        # What happened until then is published by now: all that is left to do is to read it.
        async with Subscriber(connection, store, NAME, [BindingChanged], begin=begin, until_end=True) as subscriber:
            async for change in subscriber:
                keep(change)
        async with store.transaction(NAME) as transaction:
            return invoice(transaction, organization, account, *period)


def keep(change: Change[BindingChanged, sqlite3.Connection]) -> None:
    """Begin and end intervals, in the transaction that remembers the change."""
    event, transaction = change.event, change.transaction
    previous, current, project = event.previous, event.current, (event.organization, event.project)
    first_known = previous.established_at if previous else change.heard.time
    transaction.execute(
        "INSERT OR IGNORE INTO projects VALUES (?, ?, ?)",
        (*project, "" if change.heard.sequence == 1 else text(first_known)),
    )
    if previous:
        # Of one that began before anything was read, only the account is known.
        began = (previous.binding_id, *project, previous.account, text(previous.established_at))
        transaction.execute("INSERT OR IGNORE INTO intervals VALUES (?, ?, ?, ?, NULL, NULL, ?, NULL)", began)
        ended = (text(previous.ended_at), previous.binding_id)
        transaction.execute("UPDATE intervals SET ended = ? WHERE binding_id = ?", ended)
    if current:
        terms = json.dumps(current.payment_terms.data()) if current.payment_terms else None
        transaction.execute(
            "INSERT INTO intervals VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
            (current.binding_id, *project, current.account, current.currency_code, terms, text(current.established_at)),
        )


def invoice(
    transaction: sqlite3.Connection, organization: str, account: str, begin: datetime, end: datetime
) -> list[dict[str, Any]]:
    """Return the lines of an invoice that was cut before, or cut it and keep it. Raises HistoryMissing."""
    key = (organization, account, text(begin), text(end))
    kept = "SELECT lines FROM invoices WHERE organization = ? AND account = ? AND began = ? AND ended = ?"
    for (lines,) in transaction.execute(kept, key):
        return list(json.loads(lines))
    unknown = "SELECT project FROM projects WHERE organization = ? AND known_since > ? LIMIT 1"
    for (project,) in transaction.execute(unknown, (organization, text(begin))):
        raise HistoryMissing(f"{organization}/{project}", begin)
    paid = (
        "SELECT project, binding_id, currency, terms, began, ended FROM intervals "
        "WHERE organization = ? AND account = ? AND (ended IS NULL OR ended > ?) AND began < ? ORDER BY project, began"
    )
    lines = [line(begin, end, *row) for row in transaction.execute(paid, key)]
    for one in lines:
        if one["currencyCode"] is None:  # it began before anything was read
            raise HistoryMissing(f"{organization}/{one['project']}", begin)
    transaction.execute("INSERT INTO invoices VALUES (?, ?, ?, ?, ?)", (*key, json.dumps(lines)))
    return lines


def line(
    begin: datetime, end: datetime,
    project: str, binding: str, currency: str | None, terms: str | None, began: str, ended: str | None,
) -> dict[str, Any]:  # fmt: skip
    """Cut an interval out of a period."""
    since = max(datetime.fromisoformat(began), begin)
    until = end if ended is None else min(datetime.fromisoformat(ended), end)
    share = Fraction((until - since) // _MICROSECOND, (end - begin) // _MICROSECOND)
    interval = {"project": project, "bindingId": binding, "from": text(since), "until": text(until)}
    return {**interval, "share": str(share), "currencyCode": currency, "paymentTerms": terms and json.loads(terms)}


def text(instant: datetime) -> str:
    """Write an instant so that texts are in the order of instants."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds")


async def main(kafka: str, prefix: str, path: str, organization: str, account: str, *rest: str) -> None:
    """Print an invoice."""
    begin, end, *replay = rest
    period = (datetime.fromisoformat(begin), datetime.fromisoformat(end))
    for one in await run(Connection(kafka, prefix), path, organization, account, period, replay[0] if replay else None):
        print(json.dumps(one))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
