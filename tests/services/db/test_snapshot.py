"""The snapshot in which an audit reads: of one instant, and for as long as it takes."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from db.audit import snapshot


@pytest.mark.parametrize("limit", ("transaction_timeout", "statement_timeout"))
async def test_it_may_take_as_long_as_it_takes(engine: AsyncEngine, limit: str) -> None:
    shown = text(f"SHOW {limit}")
    async with snapshot(engine) as connection:
        assert (await connection.execute(shown)).scalar_one() == "0"
    async with engine.connect() as connection:
        assert (await connection.execute(shown)).scalar_one() != "0", "everybody else is limited"


async def test_it_sees_one_instant_and_changes_nothing(engine: AsyncEngine) -> None:
    count = text("SELECT count(*) FROM organizations")
    add = text("INSERT INTO organizations (organization) VALUES ('acme')")
    async with snapshot(engine) as connection:
        assert (await connection.execute(count)).scalar_one() == 0
        async with engine.begin() as writing:
            await writing.execute(add)
        assert (await connection.execute(count)).scalar_one() == 0
        with pytest.raises(DBAPIError, match="read-only transaction"):
            await connection.execute(add)
