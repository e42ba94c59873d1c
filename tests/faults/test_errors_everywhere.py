"""An error, as of a server that goes away, is raised at every `await`; everything carries on."""

import contextlib

import pytest

from tests.faults import failpoints
from tests.faults.checking import all_is_well
from tests.faults.load import loaded
from tests.faults.matrix import FAILING_WORKER, OFTEN, TOLD
from tests.faults.points import Circumstance, rows
from tests.support.installations import Installation
from tests.support.waiting import until

_ALL_SECONDS = 600
_RATE = 40


@pytest.mark.chaos
async def test_an_error_at_every_point(guarded_installation: Installation) -> None:
    installation = guarded_installation
    left = {row.point for row in rows() if row.circumstance == Circumstance()}
    async with loaded(installation, rate=_RATE, huge_projects=TOLD) as load:

        async def reached_all() -> bool:
            worker = installation.workers[-1] if installation.workers else None
            if worker is not None:
                left.difference_update(
                    line.removeprefix(failpoints.reached("")) for line in worker.lines if failpoints.reached("") in line
                )
            if left and (worker is None or worker.process.returncode is not None):
                plan = dict.fromkeys(left, failpoints.ERROR)
                await installation.launch(module=FAILING_WORKER, **OFTEN, **failpoints.environment(plan))
            return not left

        with contextlib.suppress(AssertionError):
            await until(reached_all, "all failpoints", _ALL_SECONDS)
    assert left == set()
    if installation.workers[-1].process.returncode is not None:
        await installation.start()
    await all_is_well(load)
