"""A worker is killed at every place where it awaits anything; the workers after it put everything right."""

import asyncio

from tests.faults import failpoints
from tests.faults.matrix import Load, killed_at
from tests.installations import Installation
from tests.kafka import exactly_published, results
from tests.verification.auditing import findings_of


async def test_killed_at_every_point(quiet_installation: Installation) -> None:
    installation = quiet_installation
    load = Load(installation)
    await load.begin()
    loading = asyncio.create_task(load.go_on())
    missed = [point for point in failpoints.points() if not await killed_at(installation, point)]
    loading.cancel()
    await installation.start()
    found = await exactly_published(installation)
    assert await findings_of(installation) == []
    assert missed == []
    assert results(found)
