"""A relay in this process: how much it publishes at a time, and what becomes of its lease."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.published import published_at_least
from tests.support.batches import batches_of, read_project, records
from tests.support.installations import Installation
from tests.support.messages import project
from tests.support.waiting import patience, until
from workers.publishing.dividing import AnotherNumber, fence_others
from workers.publishing.packing import Publication
from workers.publishing.positions import Position, read_kept
from workers.publishing.relay import Relay
from workers.publishing.telling import Telling
from workers.runtime.metrics import Metrics
from workers.runtime.roles import Role
from workers.runtime.settings import Settings

_AN_HOUR = 3600.0
_LEASE = "SELECT owner, expires_at FROM relay_leases"
_ANOTHERS = "UPDATE relay_leases SET owner = 'another', expires_at = clock_timestamp() + interval '15 seconds'"


class _Heard(Telling):
    """Also keeps how many rows each transaction took, how many it left, and whether these are told to have an age."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        super().__init__(settings, metrics, None)
        self.found: list[tuple[int, int]] = []
        self.ages: list[bool] = []
        self._told = metrics.registry.get_sample_value

    async def published(
        self, connection: AsyncConnection, publication: Publication, positions: Mapping[int, Position]
    ) -> None:
        await super().published(connection, publication, positions)
        if publication.rows:
            self.found.append((publication.rows, publication.left))
            self.ages.append(0 < (self._told("whopays_events_unpublished_age_seconds") or 0) < _AN_HOUR)

    async def is_all(self) -> bool:
        return bool(self.found) and self.found[-1][1] == 0


def _begun(installation: Installation, **changed: Any) -> tuple[Relay, "asyncio.Task[bool]", _Heard, Metrics]:
    settings, metrics = installation.settings.model_copy(update=changed), Metrics()
    heard = _Heard(settings, metrics)
    relay = Relay(installation.engine, settings, heard, 0, "here")
    return relay, asyncio.create_task(relay.run()), heard, metrics


async def _tell(installation: Installation, numbers: range) -> None:
    """Have the log grow by one event for each number, all in one shard."""
    said = records(*(project("acme", f"p{number}") for number in numbers), offset=numbers.start)
    await batches_of(installation).process(Role.PROJECTS, said, read_project)


async def _rows(installation: Installation, statement: str) -> Sequence[Any]:
    async with installation.engine.connect() as connection:
        return (await connection.execute(text(statement))).all()


async def test_a_relay_publishes_some_at_a_time_until_it_is_stopped_or_another_has_its_lease(
    quiet_installation: Installation,
) -> None:
    installation = quiet_installation
    await _tell(installation, range(9))
    tasks = asyncio.all_tasks()
    relay, running, heard, metrics = _begun(installation, relay_batch_rows=8)
    await until(heard.is_all, "all that is in the log")
    relay.stop()
    assert await asyncio.wait_for(running, patience(30)) is False
    assert heard.found == [(2, 7), (2, 5), (2, 3), (2, 1), (1, 0)], "a shard gets a quarter, also when it is alone"
    assert heard.ages == [True] * 4 + [False]
    assert metrics.registry.get_sample_value("whopays_relay_active") == 0
    assert await _rows(installation, _LEASE) == []
    kept = await read_kept(installation.settings)
    async with installation.engine.connect() as connection:
        assert await published_at_least(connection) == {shard: at.position for shard, at in kept.positions.items()}

    async def nothing_is_left() -> bool:
        return asyncio.all_tasks() <= tasks

    await until(nothing_is_left, "the end of its tasks", 10)

    await _tell(installation, range(9, 12))
    relay, running, heard, metrics = _begun(installation, relay_batch_rows=1, relay_lease_seconds=2.0)
    await until(heard.is_all, "the rest of the log")
    assert heard.found == [(1, 2), (1, 1), (1, 0)]
    ((_, taken),) = await _rows(installation, _LEASE)

    async def is_renewed() -> bool:
        ((owner, expires),) = await _rows(installation, _LEASE)
        return bool(owner == "here" and expires > taken)

    await until(is_renewed, "that the lease is renewed")
    async with installation.engine.begin() as connection:
        await connection.execute(text(_ANOTHERS))
    assert await asyncio.wait_for(running, patience(30)) is False
    assert [owner for owner, _ in await _rows(installation, _LEASE)] == ["another"]
    with pytest.raises(AnotherNumber, match="divided among 1 slots, not 2"):
        await fence_others(installation.engine, installation.settings, 2)
