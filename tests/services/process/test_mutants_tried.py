"""What became of a change: noticed only by a test that passes without it, however that test is named."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.mutants.changing import changes_of
from tests.mutants.choosing import STAGES
from tests.mutants.running import Copy, NotTrustworthy
from tests.support.packages import ROOT

_PATH = Path("schemas/limits.py")
_TESTS = "tests/unit/schemas/test_limits.py"
_SETTINGS = "[pytest]\npythonpath = .\naddopts = --import-mode=importlib\n"
_CODE = "MOST = 2\nLEAST = 1\n\n\ndef is_allowed(number):\n    return number <= MOST\n"
_SOUND = """
import pytest

from schemas.limits import MOST, is_allowed


@pytest.mark.parametrize("most", (MOST,))
def test_the_most(most):
    assert most == 2


def test_what_is_allowed():
    assert is_allowed(2)
"""
_UNSOUND = "from schemas.limits import MOST\n\n\ndef test_nothing():\n    assert not MOST\n"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    """A tree with one module, whose tests are run as those of a copy are."""
    folder = tmp_path_factory.mktemp("copied") / "0"
    for path in (str(_PATH), "schemas/__init__.py", *(path for stage in STAGES["schemas"] for path in stage)):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        if path.endswith(".py"):
            (folder / path).touch()
        else:
            (folder / path).mkdir(exist_ok=True)
    (folder / _PATH).write_text(_CODE, encoding="utf-8")
    (folder / "pytest.ini").write_text(_SETTINGS, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    with closing(Copy(folder, environment)) as copy:
        yield copy


def _noticed(copy: Copy, tests: str) -> dict[str, str | None]:
    (copy.folder / _TESTS).write_text(tests, encoding="utf-8")
    outcomes = [copy.tried(change) for change in changes_of(copy.folder, _PATH)]
    return {outcome.after: outcome.noticed_by for outcome in outcomes}


def test_a_test_that_is_named_after_what_was_changed_counts(copy: Copy) -> None:
    assert _noticed(copy, _SOUND) == {
        "MOST = 3": f"{_TESTS}::test_the_most[3]",
        "LEAST = 2": None,
        "return number < MOST": f"{_TESTS}::test_what_is_allowed",
        "return None": f"{_TESTS}::test_what_is_allowed",
    }
    assert (copy.folder / _PATH).read_text(encoding="utf-8") == _CODE


def test_a_test_that_fails_anyhow_shows_nothing(copy: Copy) -> None:
    with pytest.raises(NotTrustworthy, match="test_nothing fails without any change"):
        _noticed(copy, _UNSOUND)
