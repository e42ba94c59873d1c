"""Each mutant is caught by what it does wrong; without a mutant, nothing is found."""

import pytest

from tests.faults.mutants import MUTANTS
from tests.faults.scenarios import SCENARIOS
from tests.faults.stage import Stage
from tests.faults.teeth import deaths
from tests.support.installations import Installation

_QUICK_SCENARIOS = ["read again", "killed after the commit"]
_MARK = {False: [pytest.mark.chaos], True: []}


def _named(names: list[str], quick: list[str]) -> list[object]:
    return [pytest.param(name, id=name, marks=_MARK[name in quick]) for name in names]


@pytest.mark.parametrize("name", _named(list(MUTANTS), [name for name, one in MUTANTS.items() if one.is_quick]))
async def test_a_mutant_dies(quiet_installation: Installation, name: str) -> None:
    mutant = MUTANTS[name]
    found = await SCENARIOS[mutant.scenario](Stage(quiet_installation, name))
    print("\n".join(found))
    death = next((one for one in found if mutant.dies_of in one), None)
    assert death is not None, f"{name} survives; found: {found}"
    deaths.append((name, death))
    print(f"mutant {name!r} died of: {death}")


@pytest.mark.parametrize("scenario", _named(list(SCENARIOS), _QUICK_SCENARIOS))
async def test_whopays_lives(quiet_installation: Installation, scenario: str) -> None:
    assert await SCENARIOS[scenario](Stage(quiet_installation, None)) == []
