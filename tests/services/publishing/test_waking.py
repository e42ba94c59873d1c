"""A relay that would look at the log by itself in an hour: whoever commits wakes it, and whoever stops it ends it."""

import asyncio

import pytest
from sqlalchemy import text

from tests.support.batches import batches_of, read_project, records
from tests.support.installations import Installation
from tests.support.kafka import published
from tests.support.messages import project
from tests.support.waiting import patience, until
from workers.publishing import relay
from workers.publishing.slots import Slots
from workers.runtime.metrics import Metrics
from workers.runtime.roles import Role

_AN_HOUR = 3600.0
_LISTENING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'",
    "SELECT count(*) FROM relay_leases",
)
_LEFT = "SELECT (SELECT count(*) FROM relay_leases) + (SELECT count(*) FROM relay_processes)"


async def test_a_commit_wakes_a_relay(quiet_installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    installation = quiet_installation
    monkeypatch.setattr(relay, "RAISE_SECONDS", _AN_HOUR)
    settings = installation.settings.model_copy(update={"relay_poll_seconds": _AN_HOUR, "stop_seconds": _AN_HOUR})
    stopping, metrics, settling = asyncio.Event(), Metrics(), batches_of(installation)
    running = asyncio.create_task(Slots(installation.engine, settings, metrics, stopping).run())
    try:
        await until(lambda: _is_listening(installation), "a relay that listens")
        for number in range(3):
            await settling.process(Role.PROJECTS, records(project("acme", f"p{number}"), offset=number), read_project)

            async def is_published(events: int = number + 1) -> bool:
                return len(await published(installation)) == events

            await until(is_published, "what was just committed")
    finally:
        stopping.set()
        await asyncio.wait_for(running, patience(30))
    assert await _number(installation, _LEFT) == 0, "others need not wait until it is forgotten"


async def _is_listening(installation: Installation) -> bool:
    return all([await _number(installation, statement) for statement in _LISTENING])


async def _number(installation: Installation, statement: str) -> int:
    async with installation.engine.connect() as connection:
        return int((await connection.execute(text(statement))).scalar_one())
