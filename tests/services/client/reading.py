"""Readers of bindings with a store of their own, and what they have seen."""

import sqlite3
from pathlib import Path
from typing import Any

from whopays_client import (
    BindingChanged,
    Connection,
    SQLiteStore,
    Subscriber,
)

Sequences = list[tuple[str, int]]


def reading(stage: Connection, store: SQLiteStore, **options: Any) -> Subscriber[BindingChanged, sqlite3.Connection]:
    """Return a reader of bindings that ends with what is there."""
    return Subscriber(stage, store, "reader", [BindingChanged], **{"until_end": True, **options})


async def read_all(subscriber: Subscriber[BindingChanged, sqlite3.Connection], fail_at: int = 0) -> Sequences:
    """Keep what is left, in the reader's own table too, and return it. Raises RuntimeError at one number."""
    found = []
    async with subscriber:
        async for change in subscriber:
            keep(change.transaction, change.heard.subject, change.heard.order)
            found.append((change.heard.subject, change.heard.order))
            if change.heard.order == fail_at:
                raise RuntimeError("in the middle")
    return found


async def loop(subscriber: Subscriber[BindingChanged, sqlite3.Connection]) -> list[tuple[int, int]]:
    """Keep what an open reader hands out, and return the numbers and how many are missed before each."""
    found = []
    async for change in subscriber:
        keep(change.transaction, change.heard.subject, change.heard.order)
        found.append((change.heard.order, change.missed))
    return found


def keep(transaction: sqlite3.Connection, subject: str, sequence: int) -> None:
    """Write what was seen into the reader's own table."""
    transaction.execute("INSERT INTO seen VALUES (?, ?)", (subject, sequence))


def seen(tmp_path: Path) -> Sequences:
    """Return what is committed in the reader's own table."""
    connection = sqlite3.connect(tmp_path / "reader.db")
    rows = connection.execute("SELECT subject, sequence FROM seen ORDER BY rowid").fetchall()
    connection.close()
    return rows


def numbers(project: str, *sequences: int) -> Sequences:
    """Return changes of a project of acme."""
    return [(f"acme/{project}", sequence) for sequence in sequences]
