"""What `whopays top` sees in the database: the newest of what is wrong, and no more of it than there is space for."""

from dataclasses import replace
from functools import partial

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from cli.operating.watched import Watched
from db.replays import note_replay, stop_replay
from schemas.facts import ProjectChanged
from schemas.parsing import read_fact
from tests.support.batches import batches, records
from tests.support.messages import project
from tests.unit.cli.drawing import WATCHED
from workers.runtime.roles import Role
from workers.runtime.settings import Settings


async def test_the_newest_that_nobody_has_seen_to_are_listed(engine: AsyncEngine) -> None:
    broken = [replace(project("acme", f"p{number}"), value=b"?") for number in range(4)]
    reader = partial(read_fact, model=ProjectChanged, max_value_bytes=1_000_000)
    await batches(engine).process(Role.PROJECTS, records(*broken), reader)
    for name in ("one", "two", "three", "four", "ended"):
        async with engine.begin() as connection:
            assert await note_replay(connection, replace(WATCHED.replays[0], name=name, target=f"replay.{name}"))
            await stop_replay(connection, "ended")
    async with engine.connect() as connection:
        installation = (await connection.execute(text("SELECT name FROM installation"))).scalar_one()
    address = engine.url.render_as_string(hide_password=False)
    watched = Watched(Settings(database_url=address, installation=installation), [], 1.0)
    try:
        await watched._see_database()
        assert [one.number for one in watched.view.letters] == [4, 3, 2]
        assert [one.name for one in watched.view.replays] == ["four", "three", "two"]
        assert (watched.view.unpublished, watched.view.published) == (4, None)
        await watched._see_database()
        assert watched.view.published == 0.0
    finally:
        await watched.close()
