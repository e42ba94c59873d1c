"""What the benchmarks take hold of by name is there: they run too seldom to find out by themselves."""

import pytest

from benchmarks.profiling import STEPS


@pytest.mark.parametrize(("module", "name"), STEPS.values(), ids=STEPS)
def test_every_step_that_is_timed_exists(module: object, name: str) -> None:
    assert callable(getattr(module, name))
