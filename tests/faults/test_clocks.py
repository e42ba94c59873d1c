"""Clocks jump by an hour, forward and back: instants still rise, what is due comes once, and nothing is lost."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import text

from db.closing import __file__ as any_module_of_db
from tests.faults.checking import all_is_well
from tests.faults.clocks import HOUR, JUMPING_WORKER, Clocks
from tests.faults.load import loaded
from tests.faults.recovering import flows, recovers
from tests.support.installations import Installation
from tests.support.kafka import exactly_published, results, send
from tests.support.messages import account, bind, profile, project
from tests.support.waiting import until
from workers.runtime.roles import Role

_UNSHIFTABLE = ("now(", "current_timestamp", "transaction_timestamp", "statement_timestamp", "localtimestamp")


@pytest_asyncio.fixture
async def clocks(quiet_installation: Installation, tmp_path: Path) -> AsyncIterator[Clocks]:
    """The clocks of an installation, still correct."""
    made = Clocks(quiet_installation, tmp_path / "shift")
    await made.prepare()
    yield made


def test_no_statement_reads_a_clock_that_these_tests_do_not_move() -> None:
    for module in Path(any_module_of_db).parent.glob("*.py"):
        said = module.read_text(encoding="utf-8").lower().replace("datetime.now(", "")
        assert [name for name in _UNSHIFTABLE if name in said] == [], module


@pytest.mark.chaos
async def test_the_clocks_of_workers_and_database_jump(clocks: Clocks) -> None:
    installation = clocks.installation
    consumers = (Role.PROJECTS, Role.PAYMENT_PROFILES, Role.ADMIN_COMMANDS)
    await installation.start(*consumers, module=JUMPING_WORKER, **clocks.environment)
    await installation.start(Role.RELAY, Role.TIMERS, module=JUMPING_WORKER, **clocks.environment)
    async with loaded(installation) as load:
        for database, workers in ((1, 0), (1, 1), (-1, 1), (-1, -1), (1, -1), (0, 0)):
            await flows(load)
            async with recovers(load, f"clocks: database {database:+d} h, workers {workers:+d} h"):
                await clocks.shift_database(database * HOUR)
                clocks.shift_workers(workers * HOUR)
    # Waiting bindings were promised an end by a clock that was an hour ahead.
    await clocks.shift_database(1.1 * HOUR)
    await _nobody_waits(installation)
    await all_is_well(load)


async def test_what_is_due_comes_once_and_late_by_what_the_clock_lost(clocks: Clocks) -> None:
    installation = clocks.installation
    await installation.start(module=JUMPING_WORKER, **clocks.environment)
    await send(installation, [profile("acme"), account("acme", "main"), project("acme", "web")])
    await clocks.shift_database(HOUR)
    await send(installation, [bind("acme", "late", "main", "waits", waitSeconds=1800)])
    await _waiting(installation, 1)
    await clocks.shift_database(0)
    await send(installation, [bind("acme", "web", "main", "binds")])
    found = results(await exactly_published(installation))
    assert (found["waits"]["outcome"], found["binds"]["outcome"]) == ("Waiting", "Applied")
    await clocks.shift_database(2 * HOUR)
    await _nobody_waits(installation)
    await clocks.shift_database(0)
    found = results(await exactly_published(installation))
    assert found["waits"]["violations"][0]["reason"] == "ProjectNotFound"


async def test_a_relay_takes_over_though_the_last_ones_lease_lies_an_hour_ahead(clocks: Clocks) -> None:
    installation = clocks.installation
    await clocks.shift_database(HOUR)
    worker = await installation.start(module=JUMPING_WORKER, **clocks.environment)
    await worker.logged("relay_publishes")
    await worker.kill()
    await clocks.shift_database(0)
    await installation.start(module=JUMPING_WORKER, **clocks.environment)
    await send(installation, [project("acme", "web")])
    await exactly_published(installation)


async def _nobody_waits(installation: Installation) -> None:
    await _waiting(installation, 0)


async def _waiting(installation: Installation, number: int) -> None:
    async def look() -> bool:
        async with installation.engine.connect() as connection:
            waiting = (await connection.execute(text("SELECT count(*) FROM pending_bindings"))).scalar_one()
            return bool(waiting == number)

    await until(look, f"{number} bindings that wait", 120)
