"""A pair of servers that cannot be started, and a folder that is emptied: no server is needed to see either."""

from pathlib import Path

import pytest

from embedded import data_folder
from embedded.data_folder import DataFolder
from embedded.errors import EmbeddedError
from embedded.services import EmbeddedServices


def test_what_the_system_refuses_is_said_and_the_folder_is_free(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "whopays-embedded.lock").touch()
    (folder / "logs").write_text("where a folder should be")
    for _ in range(2):
        with pytest.raises(EmbeddedError, match=rf"The servers in {folder} cannot be started: .*File exists"):
            EmbeddedServices(folder).start()
        with pytest.raises(EmbeddedError, match=rf"{folder} cannot be emptied: .*File exists"):
            EmbeddedServices.reset(folder)
    assert (folder / "logs").exists()


def test_nothing_is_begun_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_folder, "_SMALLEST_FREE_BYTES", 10**18)
    said: list[str] = []
    for _ in range(2):
        with pytest.raises(EmbeddedError, match=r"has only \d+ MB left"):
            EmbeddedServices(tmp_path, report=said.append).start()
    assert said == []
    assert not (tmp_path / "postgresql.new").exists()


def test_what_is_not_there_is_not_made_to_be_emptied(tmp_path: Path) -> None:
    EmbeddedServices.reset(tmp_path / "nothing")
    assert list(tmp_path.iterdir()) == []


def test_what_is_emptied_is_free_afterwards(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data", print)
    folder.acquire()
    (folder.path / "kept").touch()
    folder.release()
    for _ in range(2):
        EmbeddedServices.reset(folder.path)
    assert not (folder.path / "kept").exists()
    folder.acquire()
    folder.release()
