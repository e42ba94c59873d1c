"""`whopays reshard`, killed anywhere: all or nothing was done, and asked again it is done."""

from signal import SIGKILL

import pytest

from embedded import Addresses
from tests.faults import failpoints
from tests.faults.failpoints import KILL
from tests.support.command_line import whopays_of
from tests.support.installations import Installation, installed
from tests.support.warm import start_warm

_POINTS = [point for point in failpoints.points(failpoints.OF_RESHARDING) if not point.endswith(" before")]
_SOME = ("resharding.reshard: fetch (2) after", "resharding.reshard: engine.begin left")
_LAST = "resharding.reshard: engine.begin left"


@pytest.mark.parametrize(
    "point", [pytest.param(one, marks=() if one in _SOME else pytest.mark.chaos) for one in _POINTS]
)
async def test_killed_and_done_again(services: Addresses, template: str, point: str) -> None:
    async with installed(services, template, roles=()) as installation:
        status, said = await _reshard(installation, point)
        assert status == -SIGKILL, said
        done = (await whopays_of(installation)("reshard", "7", "--yes", "--json")).expect(0).document
        assert done == {"isNew": point != _LAST, "shards": 7, "firstShard": 48, "beginsAfter": 0}


def test_all_points_are_known() -> None:
    assert {*_SOME} <= {*_POINTS}


async def _reshard(installation: Installation, point: str) -> tuple[int, str]:
    environment = installation.environment(**failpoints.environment({point: KILL}))
    process = await start_warm("tests.faults.failing_worker", ["reshard", "7", "--yes"], environment)
    said = (await process.stderr.read()).decode()
    return await process.wait(), said
