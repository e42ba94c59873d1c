"""Whether anything was ever said of an organization, a project or an account: by whatever is kept of it."""

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.history import is_known_account, is_known_organization, is_known_project
from tests.services.db.records_of_each_kind import BARE, PROJECT
from tests.services.db.storing import kept

_ROW = """
    INSERT INTO log (shard, position, recorded_at, topic, value, hash, boundary)
    VALUES (1, 1, now(), 't', '', '', 'acme')
"""


@pytest.mark.parametrize("what", ("event", "project", "account"))
async def test_an_organization_is_known_by_each_thing_that_is_kept_of_it(engine: AsyncEngine, what: str) -> None:
    if what == "event":
        async with engine.begin() as connection:
            await connection.execute(text(_ROW))
    else:
        await kept(engine, PROJECT if what == "project" else BARE)
    async with engine.connect() as connection:
        assert await is_known_organization(connection, "acme")
        assert not await is_known_organization(connection, "globex")


async def test_a_project_and_an_account_are_known_in_their_organization(engine: AsyncEngine) -> None:
    await kept(engine, PROJECT, BARE)
    async with engine.connect() as connection:
        for is_known, name in ((is_known_project, "web"), (is_known_account, "bare")):
            asked = [await is_known(connection, *one) for one in (("acme", name), ("globex", name), ("acme", "none"))]
            assert asked == [True, False, False]
