"""The role `maintenance` is killed wherever it awaits anything while commands come, old at once: no id is lost."""

from collections.abc import Callable

import pytest
from sqlalchemy import text

from tests.faults import failpoints
from tests.faults.checking import all_is_well
from tests.faults.load import loaded
from tests.faults.matrix import FAILING_WORKER
from tests.faults.stage import FORGETFUL
from tests.support.installations import Installation
from tests.support.waiting import until
from workers.runtime.roles import ALL_ROLES, Role

_RATE = 20
_MODULES = ("workers.maintenance", "workers.forgetting")
_IN_SHORT = (
    "maintenance.Maintenance._take: take_chore after",
    "forgetting.ForgettingCommands.step: forget_commands after",
    "forgetting.ForgettingCommands.step: _engine.begin left",
)
"""Where a chore is taken, the last moment before something is durable, and the first one after it."""
_AT_ITS_END = ("maintenance.Maintenance._wait: _stopping.wait after", "maintenance.Maintenance._wait: asyncio.timeout")
"""Where the role comes once it is told to stop."""
_WITH_AN_ARCHIVE = ("forgetting.ForgettingLetters._let_go", "forgetting.ForgettingLetters.step: _let_go")
"""Where it comes once a million events of a shard are archived: one statement more, in a transaction of its own."""
_ELSEWHERE = (*_AT_ITS_END, *_WITH_AN_ARCHIVE)
_SETTINGS = {**FORGETFUL, "WHOPAYS_KEEP_DEAD_LETTERS_DAYS": "1e-9"}
_DISCARD_ONE = text(
    """
    INSERT INTO dead_letter_actions (number, ordinal, action, by, at, reason)
    SELECT number, 1, 'Discarded', 'ada', clock_timestamp(), 'it is of no use' FROM dead_letters
    WHERE NOT EXISTS (SELECT FROM dead_letter_actions WHERE dead_letter_actions.number = dead_letters.number)
    ORDER BY number LIMIT 1
    """
)


@pytest.mark.chaos
@pytest.mark.timeout(3600)
async def test_killed_at_every_point(quiet_installation: Installation) -> None:
    await _killed(quiet_installation, lambda point: not point.startswith(_ELSEWHERE))


async def test_killed_at_the_points_between(quiet_installation: Installation) -> None:
    await _killed(quiet_installation, lambda point: point in _IN_SHORT)


async def _killed(installation: Installation, chosen: Callable[[str], bool]) -> None:
    await installation.start(*(role for role in ALL_ROLES if role is not Role.MAINTENANCE))
    async with loaded(installation, rate=_RATE) as load:
        for point in filter(chosen, failpoints.points(_MODULES)):
            print(point, flush=True)
            plan = failpoints.environment({point: failpoints.KILL})
            worker = await installation.launch(Role.MAINTENANCE, module=FAILING_WORKER, **_SETTINGS, **plan)
            await worker.logged(failpoints.reached(point))
            await worker.process.wait()
            async with installation.engine.begin() as connection:
                # As would happen by itself in ten seconds.
                await connection.execute(text("UPDATE chores SET expires_at = '-infinity'"))
                await connection.execute(_DISCARD_ONE)
        await installation.start(Role.MAINTENANCE, **_SETTINGS)
        await until(lambda: _forgotten(installation), "that commands are forgotten while others come")
        await until(lambda: _erased(installation), "that what was discarded is erased")
    await all_is_well(load)


async def _forgotten(installation: Installation) -> bool:
    async with installation.engine.connect() as connection:
        kept = await connection.execute(text("SELECT count(*) FROM forgotten_commands"))
        return int(kept.scalar_one()) > _RATE


async def _erased(installation: Installation) -> bool:
    async with installation.engine.connect() as connection:
        (row,) = await connection.execute(_LEFT)
    return bool(row.discarded) and row.whole == 0


_LEFT = text(
    """
    SELECT count(*) AS discarded, count(value) AS whole FROM dead_letters
    WHERE EXISTS (SELECT FROM dead_letter_actions WHERE dead_letter_actions.number = dead_letters.number)
    """
)
