"""Damage of each kind, planted in a copy of a sound installation's database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import uuid4

import pytest
import pytest_asyncio
from sqlalchemy import make_url, text

from audit.watermarks import read_watermarks
from db.engine import create_engine
from embedded import Addresses
from schemas.topics import Topic
from schemas.watermarks import Watermark
from tests.services.audit.auditing import findings_of
from tests.services.audit.damage.of_payers import OF_PAYERS
from tests.services.audit.damage.of_results import OF_RESULTS
from tests.services.audit.damage.of_state import OF_STATE
from tests.services.audit.damage.of_the_log import OF_THE_LOG
from tests.services.audit.damage.planting import UNHELD, WHERE, Planted
from tests.support.forgetting import forget_old_commands
from tests.support.installations import (
    Installation,
    administer,
    create_template,
    database_url,
    drop_database,
    installed,
)
from tests.support.kafka import all_consumed, exactly_published, send
from tests.support.letters import redriven_and_discarded
from tests.support.messages import Said, account, bind, command, profile, project
from tests.support.waiting import until

_SHARDS = 6
"""Fewer than usual: an audit looks at each, and here are more than a hundred."""
_DAMAGE = OF_THE_LOG | OF_PAYERS | OF_STATE | OF_RESULTS


@pytest_asyncio.fixture(scope="module")
async def sound(services: Addresses) -> AsyncIterator[Installation]:
    """An installation that has been through a little of everything, and whose processes have ended."""
    template = await create_template(services, _SHARDS)
    async with installed(services, template, shards=_SHARDS) as installation:
        names = ("web", "api", "old")
        await send(installation, [profile("acme"), profile("globex"), *(project("acme", name) for name in names)])
        await all_consumed(installation)
        await send(installation, [account("acme", "main"), account("acme", "b"), account("globex", "only")])
        await send(installation, [bind("acme", "web", ("main", "b")[number % 2], f"c{number}") for number in range(4)])
        await send(installation, [bind("acme", "later", "main", "waits", waitSeconds=3600)])
        await send(installation, [bind("acme", "fresh", "main", "waited", waitSeconds=3600)])
        await all_consumed(installation)
        # Asked again, another command with a used id, a dry run, and what ends waiting: results that claim nothing.
        await send(installation, [project("acme", "fresh"), bind("acme", "web", "b", "c3", ce_answer="again")])
        await send(
            installation, [bind("acme", "web", "main", "c1"), bind("acme", "api", "none", "refused", dryRun=True)]
        )
        await send(
            installation,
            [
                command("SuspendAccount", "hold", "globex", account="only", reason="PaymentFailure"),
                bind("acme", "api", "none", "refused"),
            ],
        )
        await all_consumed(installation)
        await send(installation, [bind("acme", "old", "main", "old"), project("acme", "api", 2, state="Inactive")])
        await all_consumed(installation)
        await send(installation, [project("acme", "old", 2, state="Deleted")])
        await send(installation, [project("acme", "old", 3, state="Broken"), Said(Topic.ADMIN_COMMANDS, b"acme", None)])
        await all_consumed(installation)
        await redriven_and_discarded(installation)
        await exactly_published(installation)
        published_by = datetime.now(UTC)

        async def is_closed() -> bool:
            found = await read_watermarks(installation.settings)
            return bool(found) and Watermark.parsed(found[-1].value).closed_until >= published_by

        await until(is_closed, "a watermark that closes all that is published")
        for worker in installation.workers:
            assert await worker.stop() == 0
        await installation.engine.dispose()
        yield installation
    await drop_database(services, template)


@asynccontextmanager
async def _copied(services: Addresses, installation: Installation, *statements: str) -> AsyncIterator[Installation]:
    """Yield the installation with a copy of its database, to which something was done."""
    name = f"copy_{uuid4().hex[:12]}"
    original = make_url(installation.settings.database_url).database
    await administer(services, f'CREATE DATABASE "{name}" TEMPLATE "{original}"')
    url = database_url(services, name)
    engine = create_engine(url)
    try:
        async with engine.begin() as connection:
            done = [await connection.execute(text(statement.format(**WHERE))) for statement in statements]
        assert not done or done[-1].rowcount, "nothing was damaged"
        yield Installation(installation.settings.model_copy(update={"database_url": url}), engine)
    finally:
        await engine.dispose()
        await drop_database(services, name)


async def test_nothing_is_found_where_nothing_is_wrong(services: Addresses, sound: Installation) -> None:
    async with _copied(services, sound) as copy:
        assert await findings_of(copy) == []


async def test_nothing_is_found_where_old_commands_are_forgotten(services: Addresses, sound: Installation) -> None:
    async with _copied(services, sound) as copy:
        await forget_old_commands(copy.engine, shards=copy.settings.shards)
        async with copy.engine.connect() as connection:
            left = (await connection.execute(text("SELECT outcome FROM inbox"))).scalars().all()
            kept = (await connection.execute(text("SELECT count(*) FROM forgotten_commands"))).scalar_one()
        assert left == ["Waiting"]
        assert kept > 10
        assert await findings_of(copy) == []


@pytest.mark.parametrize("planted", _DAMAGE.values(), ids=_DAMAGE.keys())
async def test_damage_is_found(services: Addresses, sound: Installation, planted: Planted) -> None:
    async with _copied(services, sound, *UNHELD, planted.statement) as copy:
        found = await findings_of(copy)
    assert [one for one in found if one.promise is planted.promise and planted.words in one.trouble], found
