"""The acceptance cases, each an item of its own: `pytest tests/acceptance [--cases DIR]`."""

from collections import Counter

import pytest

from tests.acceptance.format import Case
from tests.acceptance.not_yet_supported import COUNTS, not_yet_supported
from tests.acceptance.run_all import Runs


@pytest.fixture
def supported(case: Case, request: pytest.FixtureRequest) -> None:
    names = not_yet_supported(case)
    if names:
        request.config.stash.setdefault(COUNTS, Counter()).update(names)
        pytest.skip(f"not yet supported: {', '.join(names)}")


async def test_case(supported: None, case: Case, runs: Runs) -> None:
    report = await runs.outcome(case)
    if report is not None:
        pytest.fail(report, pytrace=False)
