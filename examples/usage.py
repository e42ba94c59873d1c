"""Usage: attribute what was used to the account that paid at that very instant, and add it up.

    python -m examples.usage KAFKA PREFIX STORE [REPLAY]

A usage record is JSON: `organization`, `id`, `revision`, `project`, `meter`, `quantity` (as "0.25"), `at`. The same
again changes nothing, and a higher revision corrects it: what it said before moves. Who paid is decided once, when that
is final; until then a record waits in quarantine. With REPLAY, a new store takes who paid from that replay first.
"""

import asyncio
import sqlite3
import sys
from contextlib import aclosing, closing
from datetime import UTC, datetime
from decimal import Context, Decimal, Inexact
from typing import Any

from aiokafka.structs import ConsumerRecord
from pydantic import BaseModel, ValidationError

from examples.inbox import batches
from examples.outbox import Outbox
from whopays_client import Connection, HistoryMissing, NotKnownYet, Payers, Replays, SQLiteStore
from whopays_client.values import Amount, Identifier, Instant

NAME = "usage"
USAGE, ENRICHED = "usage", "usage-enriched"
"""The topics, without prefix."""

EXACT = Context(prec=100, traps=[Inexact])
_AT_ONCE = 5_000
_TABLES = """
CREATE TABLE IF NOT EXISTS usage (organization TEXT, id TEXT, revision INTEGER, project TEXT, meter TEXT, quantity TEXT,
    at TEXT, account TEXT, reason TEXT, PRIMARY KEY (organization, id));
CREATE INDEX IF NOT EXISTS waiting ON usage (at) WHERE reason = 'NotKnownYet';
CREATE VIEW IF NOT EXISTS quarantine AS SELECT * FROM usage WHERE reason IS NOT NULL;
CREATE TABLE IF NOT EXISTS unreadable (place TEXT PRIMARY KEY, problem TEXT);
CREATE TABLE IF NOT EXISTS rollups (organization TEXT, account TEXT, day TEXT, meter TEXT, quantity TEXT,
    records INTEGER, PRIMARY KEY (organization, account, day, meter));
"""


class Usage(BaseModel):
    """How much of a meter a project used at an instant."""

    organization: Identifier
    id: str
    revision: int = 1
    project: Identifier
    meter: str
    quantity: Amount
    at: Instant


async def run(connection: Connection, path: str, replay: str | None = None) -> None:
    """Attribute usage for ever. Raises whatever ends it: start it again."""
    begin = None if replay is None else await Replays(connection).completed(replay)
    with closing(SQLiteStore(path)) as store:
        async with store.transaction(NAME) as transaction:
            for statement in _TABLES.split(";"):
                transaction.execute(statement)
        async with (
            Payers(connection, store, f"{NAME}/payers", begin=begin) as payers,
            Outbox(connection, store, NAME, connection.topic(ENRICHED)) as outbox,
            aclosing(batches(connection, store, NAME, connection.topic(USAGE))) as inbox,
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(outbox.keep_publishing())
            async for batch in inbox:
                async with store.transaction(NAME) as transaction:
                    for record in batch.records:
                        take(transaction, record)
                    await attribute(transaction, payers)
                    await store.remember(transaction, batch.offsets)


def take(transaction: sqlite3.Connection, record: ConsumerRecord) -> None:
    """Put a record into quarantine; where it corrects an earlier one, take that one back."""
    try:
        usage = Usage.model_validate_json(record.value or b"")
    except ValidationError as error:
        place = f"{record.topic}/{record.partition}/{record.offset}"
        problem = error.errors(include_input=False, include_url=False)[0]["msg"]
        transaction.execute("INSERT OR IGNORE INTO unreadable VALUES (?, ?)", (place, problem))
        return
    key = (usage.organization, usage.id)
    transaction.row_factory = sqlite3.Row
    before = transaction.execute("SELECT * FROM usage WHERE organization = ? AND id = ?", key).fetchone()
    if before and before["revision"] >= usage.revision:
        return
    if before and before["account"]:
        roll(transaction, before, before["account"], -Decimal(before["quantity"]), -1)
    at = usage.at.astimezone(UTC).isoformat(timespec="microseconds")
    quantity = format(usage.quantity, "f")
    transaction.execute(
        "INSERT OR REPLACE INTO usage VALUES (?, ?, ?, ?, ?, ?, ?, NULL, 'NotKnownYet')",
        (*key, usage.revision, usage.project, usage.meter, quantity, at),
    )


async def attribute(transaction: sqlite3.Connection, payers: Payers[sqlite3.Connection]) -> None:
    """Decide what can be decided by now, the earliest first: release it from quarantine, or keep it there for good."""
    transaction.row_factory = sqlite3.Row
    waiting = "SELECT * FROM usage WHERE reason = 'NotKnownYet' ORDER BY at LIMIT ?"
    for usage in transaction.execute(waiting, (_AT_ONCE,)).fetchall():
        payer, reason = None, None
        try:
            payer = await payers.payer(usage["organization"], usage["project"], datetime.fromisoformat(usage["at"]))
        except NotKnownYet:
            return  # and so is whatever was used later
        except HistoryMissing:
            reason = "HistoryMissing"
        account = payer.account if payer else None
        reason = None if payer else reason or "NobodyPaid"
        key = (usage["organization"], usage["id"])
        transaction.execute(
            "UPDATE usage SET account = ?, reason = ? WHERE organization = ? AND id = ?", (account, reason, *key)
        )
        if account:
            roll(transaction, usage, account, Decimal(usage["quantity"]), 1)
        enriched = {name: usage[name] for name in Usage.model_fields} | {"account": account, "reason": reason}
        enriched |= {"bindingId": payer and payer.binding_id, "currencyCode": payer and payer.currency_code}
        Outbox.put(transaction, "/".join(key), enriched)


def roll(transaction: sqlite3.Connection, usage: Any, account: str, quantity: Decimal, records: int) -> None:
    """Add usage to the rollup of an account, or take it back; a rollup of no records is gone."""
    cell = (usage["organization"], account, usage["at"][:10], usage["meter"])
    known = "SELECT quantity, records FROM rollups WHERE organization = ? AND account = ? AND day = ? AND meter = ?"
    found = transaction.execute(known, cell).fetchone() or ("0", 0)
    total, count = EXACT.add(Decimal(found[0]), quantity), found[1] + records
    said = (*cell, format(total.normalize(EXACT), "f"), count)
    transaction.execute("INSERT OR REPLACE INTO rollups VALUES (?, ?, ?, ?, ?, ?)", said)
    none_left = "DELETE FROM rollups WHERE organization = ? AND account = ? AND day = ? AND meter = ? AND records = 0"
    transaction.execute(none_left, cell)


if __name__ == "__main__":
    asyncio.run(run(Connection(sys.argv[1], sys.argv[2]), *sys.argv[3:]))
