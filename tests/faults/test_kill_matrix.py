"""A process is killed at every place where it awaits anything; those after it put everything right."""

import pytest

from tests.faults import failpoints
from tests.faults.checking import all_is_well
from tests.faults.load import loaded
from tests.faults.matrix import TOLD, broken, give_up_for_dead, note_faulty
from tests.faults.points import CONSUMERS, RELAY, TIMERS, rows
from tests.installations import Installation
from workers.roles import ALL_ROLES, Role

_RATE = 40


@pytest.mark.chaos
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("roles", (CONSUMERS, TIMERS, RELAY), ids=("consumers", "timers", "relay"))
async def test_killed_at_every_point(quiet_installation: Installation, roles: tuple[Role, ...]) -> None:
    installation = quiet_installation
    await installation.start(*(role for role in ALL_ROLES if role not in roles))
    missed = []
    async with loaded(installation, rate=_RATE, huge_projects=TOLD) as load:
        for row in rows():
            if row.roles == roles:
                print(row, flush=True)
                if not await broken(installation, row, failpoints.KILL):
                    missed.append(str(row))
                await give_up_for_dead(installation, roles)
    await installation.start(*roles)
    await note_faulty(load)
    await all_is_well(load)
    assert missed == []
