"""SIGTERM: the process ends by itself within 10 seconds, with status 0, whichever server is down; nothing is lost."""

import asyncio
import os

from sqlalchemy import text

from tests.support.installations import Installation, Worker
from tests.support.kafka import all_consumed, dead_letters, exactly_published, published, results, send, told_unpaid
from tests.support.messages import account, bind, profile, project
from tests.support.proxies.ways import Ways
from tests.support.waiting import patience, until
from workers.process import LAST_SECONDS, LATE_SECONDS
from workers.runtime.roles import Role
from workers.runtime.settings import Settings

_PROMISED_SECONDS = 10
_SECONDS = 60
"""Far more than is promised: on a busy machine a process may not even be scheduled for a while."""


def test_its_limits_are_below_what_is_promised() -> None:
    assert Settings().stop_seconds + LATE_SECONDS + LAST_SECONDS < _PROMISED_SECONDS


async def _stops_in_time(worker: Worker) -> None:
    """Assert that it ends by itself; its own limits decide how long it takes, not the machine's load."""
    status = await asyncio.wait_for(worker.stop(), patience(_SECONDS))
    assert status == 0, "\n".join(worker.lines[-20:])


async def test_under_load(quiet_installation: Installation) -> None:
    installation = quiet_installation
    await send(
        installation,
        [
            profile("acme"),
            *(project("acme", f"p{number}") for number in range(1500)),
            account("acme", "main"),
            *(bind("acme", f"p{number}", "main", f"c{number}") for number in range(1500)),
        ],
    )
    small = {"WHOPAYS_BATCH_MAX_RECORDS": "20", "WHOPAYS_RELAY_BATCH_ROWS": "20"}
    for _ in range(2):
        worker = await installation.start(**small)
        await _published_more(installation)
        await _stops_in_time(worker)
    await installation.start()
    found = await exactly_published(installation)
    assert dead_letters(found) == []
    assert told_unpaid(found) == {f"p{number}" for number in range(1500)}
    assert results(found).keys() >= {f"c{number}" for number in range(1500)}


async def test_while_the_database_is_away(quiet_installation: Installation, ways: Ways) -> None:
    installation = quiet_installation
    worker = await installation.start(**ways.environment)
    # It is reading by now: without the database it would not even start to.
    await send(installation, [project("acme", "api")])
    await all_consumed(installation)
    await ways.database.cut()
    await send(installation, [project("acme", "web")])
    await worker.logged("batch_retried")
    await _stops_in_time(worker)
    await installation.start()
    assert told_unpaid(await exactly_published(installation)) == {"api", "web"}


async def test_while_the_database_does_not_answer(quiet_installation: Installation, ways: Ways) -> None:
    installation = quiet_installation
    worker = await installation.start(**ways.environment)
    await send(installation, [project("acme", "web")])
    await exactly_published(installation)
    ways.database.hold()
    await send(installation, [profile("acme"), project("acme", "api"), account("acme", "main")])
    await _stops_in_time(worker)
    await installation.start()
    found = await exactly_published(installation)
    assert told_unpaid(found) == {"web", "api"}
    assert results(found)["create-main"]["outcome"] == "Applied"


async def test_while_kafka_does_not_answer(quiet_installation: Installation, ways: Ways) -> None:
    worker = await quiet_installation.start(**ways.environment)
    ways.kafka.hold()
    await _stops_in_time(worker)
    await worker.logged("stopped_late")


async def test_a_role_that_failed_while_kafka_does_not_answer(quiet_installation: Installation, ways: Ways) -> None:
    """It ends late, and its status tells of the failure all the same."""
    installation = quiet_installation
    worker = await installation.start(**ways.environment)
    ways.kafka.hold()
    async with installation.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE pending_bindings RENAME TO gone"))
    await worker.logged("role_failed")
    assert await worker.ended() == 1
    await worker.logged("stopped_late")


async def test_before_it_has_started(quiet_installation: Installation, ways: Ways) -> None:
    installation = quiet_installation
    ways.kafka.hold()
    worker = await installation.launch(**ways.environment)
    await asyncio.wait_for(ways.kafka.used.wait(), patience(_SECONDS))
    await _stops_in_time(worker)


async def test_replays_alone_let_others_go_first(quiet_installation: Installation) -> None:
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    for roles, less in (((Role.REPLAYS,), 10), ((Role.REPLAYS, Role.TIMERS), 0)):
        worker = await quiet_installation.start(*roles)
        assert os.getpriority(os.PRIO_PROCESS, worker.process.pid) == min(19, usual + less)
        await _stops_in_time(worker)


async def _published_more(installation: Installation) -> None:
    before = len(await published(installation))

    async def more() -> bool:
        return len(await published(installation)) > before + 100

    await until(more, "events while the worker runs")
