"""`make contracts` writes every file and the page, deletes what is made no more, and keeps the last release."""

from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.exporting import __main__ as making
from schemas.exporting.files import published_files
from schemas.exporting.page import PAGE, page
from tests.support.packages import ROOT

Make = Callable[..., None]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Return what makes them below an empty folder, which has all but what is published."""
    (tmp_path / PAGE).parent.mkdir()
    for name in ("ROOT", "FOLDER", "RELEASED"):
        monkeypatch.setattr(making, name, tmp_path / getattr(making, name).relative_to(ROOT))

    def made(*arguments: str) -> None:
        monkeypatch.setattr("sys.argv", ["make contracts", *arguments])
        making.main()

    return made


def _files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def test_what_is_made_takes_the_place_of_what_was_there(make: Make, tmp_path: Path) -> None:
    make()
    (making.FOLDER / "Gone.json").write_text("{}")
    (making.FOLDER / "asyncapi.json").write_text("{}")
    make()
    assert _files(making.FOLDER) == published_files()
    assert (tmp_path / PAGE).read_text(encoding="utf-8") == page()
    assert not making.RELEASED.exists()


def test_a_release_takes_the_place_of_the_one_before(make: Make) -> None:
    make("--release", "1.0.0")
    make("--release", "1.1.0")
    assert [path.name for path in making.RELEASED.iterdir()] == ["1.1.0"]
    assert _files(making.RELEASED / "1.1.0") == published_files()
