"""A worker is killed at every place where it awaits anything; the workers after it put everything right."""

from tests.faults import failpoints
from tests.faults.checking import all_is_well
from tests.faults.load import loaded
from tests.faults.matrix import killed_at
from tests.installations import Installation


async def test_killed_at_every_point(quiet_installation: Installation) -> None:
    async with loaded(quiet_installation) as load:
        missed = [point for point in failpoints.points() if not await killed_at(quiet_installation, point)]
    await quiet_installation.start()
    await all_is_well(load)
    assert missed == []
