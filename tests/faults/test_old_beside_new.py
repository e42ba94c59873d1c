"""An upgrade without a stop: earlier code and the present one on one database, under load, killed and stopped."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from uuid import uuid4

import pytest
import pytest_asyncio
from sqlalchemy import text

from db.engine import create_engine
from db.migrate import migrate
from db.migration_plan import migrations, oldest_code
from db.revisions import head_revision
from embedded import Addresses
from tests.faults.checking import all_is_well
from tests.faults.load import Load, loaded
from tests.faults.points import CONSUMERS
from tests.faults.recovering import flows, nothing_waits, recovers
from tests.support.earlier_code import EarlierCode, NoHistory, earlier_code
from tests.support.installations import (
    TEMPLATE_INSTALLATION,
    Installation,
    Worker,
    administer,
    database_url,
    drop_database,
    installed,
)
from tests.support.waiting import until
from workers.runtime.roles import Role

_ROUNDS = 6
_LOOKS = "0018"
"""Code that knows this revision looks whether it works on newer tables (docs/decisions/0033)."""
_HALVES = (CONSUMERS, (Role.RELAY, Role.TIMERS))


@dataclass(frozen=True, slots=True)
class Earlier:
    """Earlier code in a folder, and an installation that it made, of which no process runs yet."""

    code: EarlierCode
    folder: Path
    installation: Installation


@pytest_asyncio.fixture
async def earlier(services: Addresses, tmp_path: Path) -> AsyncIterator[Earlier]:
    """An installation as the newest code left it that the present one must run beside."""
    try:
        code = earlier_code()
    except NoHistory as error:
        pytest.skip(f"no commit of earlier code: {error}")
    print(f"beside {code.commit}: {code.reason}, which knows revision {code.revision}")
    code.unpack(tmp_path)
    template = f"whopays_{uuid4().hex[:12]}"
    await administer(services, f'CREATE DATABASE "{template}"')
    try:
        url = database_url(services, template)
        await asyncio.to_thread(
            subprocess.run,
            (sys.executable, "-m", "cli", "migrate"),
            cwd=tmp_path,
            env={"WHOPAYS_DATABASE_URL": url, "WHOPAYS_INSTALLATION": TEMPLATE_INSTALLATION},
            check=True,
        )
        async with installed(services, template, roles=()) as installation:
            yield Earlier(code, tmp_path, installation)
    finally:
        await drop_database(services, template)


def test_what_is_run_beside_is_found_in_the_history() -> None:
    """The last release, or the code before the last migration."""
    try:
        code = earlier_code()
    except NoHistory as error:
        pytest.skip(f"no commit of earlier code: {error}")
    assert oldest_code() <= code.revision <= head_revision()
    if code.reason != "the last release":
        assert code.revision < migrations()[-1].revision


@pytest.mark.chaos
async def test_an_upgrade_without_a_stop(earlier: Earlier, chance: Random) -> None:
    installation = earlier.installation
    old = [await installation.start(*roles, folder=str(earlier.folder)) for roles in _HALVES]
    async with loaded(installation) as load:
        await flows(load)
        await _migrate_beside_a_report(load)
        new = [await installation.start(*roles) for roles in _HALVES]
        async with recovers(load, "earlier code beside the present one"):
            for _ in range(_ROUNDS):
                await flows(load, chance.randrange(60, 200))
                half, is_old = chance.randrange(2), chance.random() < 0.5
                await _replace(earlier, old if is_old else new, half, is_old=is_old, is_killed=chance.random() < 0.5)
    # The report and the judges find nothing while both still run.
    await all_is_well(load)


async def _migrate_beside_a_report(load: Load) -> None:
    """Migrate while somebody has looked at a table that changes, and all work goes on until they have ended."""
    installation = load.installation
    told: list[str] = []
    engine = create_engine(installation.settings.database_url, pool_size=2)
    try:
        async with installation.engine.connect() as report:
            for limit in ("idle_in_transaction_session_timeout", "transaction_timeout"):
                await report.execute(text(f"SET LOCAL {limit} = 0"))
            await report.execute(text("SELECT name FROM installation"))
            settings = installation.settings
            migrating = asyncio.create_task(migrate(engine, settings.installation, settings.shards, report=told.append))

            async def has_waited() -> bool:
                return bool(told) or migrating.done()

            await until(has_waited, "a first attempt to migrate")
            await flows(load)
            await nothing_waits(installation, "a migration that waits")
            await report.rollback()
        _, after = await migrating
        assert after == head_revision()
    finally:
        await engine.dispose()


async def _replace(earlier: Earlier, crew: list[Worker], half: int, *, is_old: bool, is_killed: bool) -> None:
    """End a process and start the same code again, or the present one where the earlier is refused on newer tables."""
    await (crew[half].kill() if is_killed else crew[half].stop())
    folder = str(earlier.folder) if is_old else ""
    if is_old and earlier.code.revision < _LOOKS:
        refused = await earlier.installation.launch(*_HALVES[half], folder=folder)
        assert await refused.ended() == 1
        folder = ""
    crew[half] = await earlier.installation.start(*_HALVES[half], folder=folder)
