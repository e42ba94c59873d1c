"""The acceptance cases, each an item of its own: `pytest tests/acceptance [--cases DIR]`."""

import pytest

from tests.acceptance.format import Case
from tests.acceptance.run_all import Runs


async def test_case(case: Case, runs: Runs) -> None:
    report = await runs.outcome(case)
    if report is not None:
        pytest.fail(report, pytrace=False)
