"""A connection that ended while nobody used it is replaced; one that was used a moment ago is not asked."""

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from db.errors import is_transient

_WHO = text("SELECT pg_backend_pid()")


async def _ended(engine: AsyncEngine) -> int:
    """Return the process of a session that PostgreSQL ended once it was back in the pool."""
    async with engine.connect() as connection:
        session: int = (await connection.execute(_WHO)).scalar_one()
    address = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    another = await asyncpg.connect(address)
    try:
        await another.execute("SELECT pg_terminate_backend($1, 10000)", session)
    finally:
        await another.close()
    return session


async def test_what_ended_while_it_was_idle_is_replaced(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("db.engine._FRESH_SECONDS", 0.0)
    gone = await _ended(engine)
    async with engine.connect() as connection:
        assert (await connection.execute(_WHO)).scalar_one() != gone


async def test_what_was_used_a_moment_ago_is_replaced_after_an_error(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.engine._FRESH_SECONDS", 3600.0)
    gone = await _ended(engine)
    with pytest.raises(DBAPIError) as refused:
        async with engine.connect() as connection:
            await connection.execute(_WHO)
    assert is_transient(refused.value)
    async with engine.connect() as connection:
        assert (await connection.execute(_WHO)).scalar_one() != gone
