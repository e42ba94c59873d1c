"""Each mutant is caught by what it does wrong; without a mutant, nothing is found."""

from collections.abc import Collection, Iterable

import pytest

from tests.faults.mutants import MUTANTS
from tests.faults.scenarios import SCENARIOS
from tests.faults.scenarios_of_rights import OF_RIGHTS
from tests.faults.stage import staged
from tests.faults.teeth import deaths
from tests.support.installations import Installation

_QUICK_SCENARIOS = ["read again", "killed after the commit"]
_MARK = {False: [pytest.mark.chaos], True: []}


def _named(scenarios: Iterable[tuple[str, str]], quick: Collection[str]) -> list[object]:
    """Return each name, and whether the scenario beside it needs an installation that checks tokens."""
    return [
        pytest.param(name, scenario in OF_RIGHTS, id=name, marks=_MARK[name in quick]) for name, scenario in scenarios
    ]


@pytest.mark.parametrize(
    ("name", "stage_installation"),
    _named(
        ((name, one.scenario) for name, one in MUTANTS.items()), {name for name, one in MUTANTS.items() if one.is_quick}
    ),
    indirect=["stage_installation"],
)
async def test_a_mutant_dies(stage_installation: Installation, name: str) -> None:
    mutant = MUTANTS[name]
    async with staged(stage_installation, name) as stage:
        found = await SCENARIOS[mutant.scenario](stage)
    print("\n".join(found))
    death = next((one for one in found if mutant.dies_of in one), None)
    assert death is not None, f"{name} survives; found: {found}"
    deaths.append((name, death))
    print(f"mutant {name!r} died of: {death}")


@pytest.mark.parametrize(
    ("name", "stage_installation"),
    _named(((name, name) for name in SCENARIOS), _QUICK_SCENARIOS),
    indirect=["stage_installation"],
)
async def test_whopays_lives(stage_installation: Installation, name: str) -> None:
    async with staged(stage_installation, None) as stage:
        assert await SCENARIOS[name](stage) == []
