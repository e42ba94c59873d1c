"""What tests of embedded servers share, beside a server of one line (`small.py`)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded.data_folder import DataFolder


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[DataFolder]:
    """A folder that is this process's alone."""
    folder = DataFolder(tmp_path / "data", print)
    folder.acquire()
    yield folder
    folder.release()
