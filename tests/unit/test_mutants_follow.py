"""The mutants of the fault suite fit the code: a changed line is followed there at once, not when the suite runs."""

import pytest

from tests.faults import failpoints
from tests.faults.mutants import MUTANTS
from tests.faults.mutating import Mutant


@pytest.mark.parametrize("mutant", [pytest.param(one, id=name) for name, one in MUTANTS.items()])
def test_mutants_follow_the_code(mutant: Mutant) -> None:
    for module in {patch.module for patch in mutant.patches}:
        source = failpoints.source_of(module)
        changed = mutant.mutated(module, source)
        assert changed != source
        compile(changed, module, "exec")
