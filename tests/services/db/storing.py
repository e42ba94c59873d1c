"""Storing changes and loading them again, each in a transaction of its own."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.load import Loaded, load
from db.memory import Memory
from db.sealing import LocalKeys
from db.store import store
from domain.book import Book
from domain.needs import Needs
from domain.state import Account, Change
from tests.services.db.records_of_each_kind import NEEDS

KEYS = LocalKeys({"first": b"k" * 32}, "first")
NOTHING_IS_DUE = datetime(1970, 1, 1, tzinfo=UTC)
"""An instant by which nothing has fallen due."""


async def kept(engine: AsyncEngine, *changes: Change, needs: Needs = NEEDS) -> Loaded:
    """Store changes on top of what is there, commit, and load in another transaction."""
    async with engine.begin() as connection:
        book = (await load(connection, needs, KEYS, Memory(0, len), now=NOTHING_IS_DUE)).book
        book.apply(changes)
        await store(connection, book, KEYS)
    async with engine.begin() as connection:
        return await load(connection, needs, KEYS, Memory(0, len), now=NOTHING_IS_DUE)


async def rows_of(engine: AsyncEngine, statement: str) -> list[Any]:
    """Return the rows that a statement selects."""
    async with engine.connect() as connection:
        return list((await connection.execute(text(statement))).all())


def assert_holds(book: Book, *accounts: Account) -> None:
    """Assert that a book knows exactly these accounts."""
    for account in accounts:
        assert book.account(*account.key) == account
