"""The option for another folder of cases, one item per case and value, and the run that they share."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from embedded import Addresses
from tests.acceptance.format import Case, load_cases
from tests.acceptance.installation import Installation, ServicesOfInstallation
from tests.acceptance.json_types import FormatError
from tests.acceptance.run_all import Runs
from tests.support.installations import installed

SHIPPED_CASES = Path(__file__).parent / "cases"
_FOLDER_VARIABLE = "WHOPAYS_CASES"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cases", metavar="DIR", help=f"folder of acceptance cases, also by {_FOLDER_VARIABLE}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" not in metafunc.fixturenames:
        return
    chosen = metafunc.config.getoption("--cases", None) or os.environ.get(_FOLDER_VARIABLE)
    try:
        cases = load_cases(Path(chosen) if chosen else SHIPPED_CASES, further_fixtures=SHIPPED_CASES)
    except FormatError as error:
        raise pytest.Collector.CollectError(str(error)) from error
    metafunc.parametrize("case", cases, ids=[case.id for case in cases])


@pytest.fixture(scope="package")
async def installation(services: Addresses, template: str) -> AsyncIterator[Installation]:
    """One running whopays for all cases."""
    async with installed(services, template) as made:
        yield made


@pytest.fixture(scope="package")
def shared(installation: Installation) -> ServicesOfInstallation:
    """What the cases share on that installation."""
    return ServicesOfInstallation(installation)


@pytest.fixture(scope="package")
async def runs(request: pytest.FixtureRequest, shared: ServicesOfInstallation) -> AsyncIterator[Runs]:
    """The cases of this session's items, running."""
    params = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    collected = [one["case"] for one in params if isinstance(one.get("case"), Case)]
    async with (
        shared as services,
        Runs(collected, services) as running,
    ):
        yield running
