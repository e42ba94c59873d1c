"""The acceptance cases, each an item of its own: `pytest tests/acceptance [--cases DIR]`."""

import pytest

from tests.acceptance.format import Case
from tests.acceptance.installation import ServicesOfInstallation
from tests.acceptance.run_all import Runs


async def test_case(case: Case, runs: Runs) -> None:
    report = await runs.outcome(case)
    if report is not None:
        pytest.fail(report, pytrace=False)


async def test_every_message_is_as_its_published_schema_says(runs: Runs, shared: ServicesOfInstallation) -> None:
    await runs.all_ended()
    assert shared.against_schemas == []
