"""A relay that would look at the log by itself in an hour: whoever commits wakes it."""

import asyncio

import pytest
from sqlalchemy import text

from tests.support.installations import Installation
from tests.support.kafka import exactly_published, send
from tests.support.messages import account, bind, profile, project
from tests.support.waiting import until
from workers.publishing import relay
from workers.publishing.slots import Slots
from workers.runtime.metrics import Metrics
from workers.runtime.roles import Role

_CONSUMERS = (Role.PROJECTS, Role.PAYMENT_PROFILES, Role.ADMIN_COMMANDS)
_AN_HOUR = 3600.0
_LISTENING = text(
    "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
)


async def test_a_commit_wakes_a_relay(quiet_installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    installation = quiet_installation
    monkeypatch.setattr(relay, "RAISE_SECONDS", _AN_HOUR)
    settings = installation.settings.model_copy(update={"relay_poll_seconds": _AN_HOUR})
    stopping, metrics = asyncio.Event(), Metrics()
    running = asyncio.create_task(Slots(installation.engine, settings, metrics, stopping).run())
    try:
        await until(lambda: _is_listening(installation), "a relay that listens")
        await installation.start(*_CONSUMERS)
        await send(installation, [profile("acme"), project("acme", "web"), account("acme", "main")])
        await send(installation, [bind("acme", "web", "main", "c1")])
        await exactly_published(installation)
    finally:
        stopping.set()
        await running


async def _is_listening(installation: Installation) -> bool:
    async with installation.engine.connect() as connection:
        return bool((await connection.execute(_LISTENING)).scalar_one())
