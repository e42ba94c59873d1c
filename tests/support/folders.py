"""Folders that disappear after a test run: those of a killed run are deleted by a later one."""

import fcntl
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

IN_USE = "in-use"
"""The file on which every user of a folder holds a shared lock."""
_PREFIX = "whopays-tests-"
_ABANDONED_SECONDS = 600.0


@contextmanager
def temporary_folder(name: str | None = None) -> Iterator[Path]:
    """Yield a folder that stays in use for the length of the block, shared with others that give the same name.

    The last one to leave deletes it.
    """
    _delete_abandoned()
    folder = Path(tempfile.gettempdir()) / f"{_PREFIX}{name or uuid4().hex}"
    folder.mkdir(mode=0o700, exist_ok=True)
    try:
        with locked(folder / IN_USE, fcntl.LOCK_SH):
            yield folder
    finally:
        delete_unless_in_use(folder)


@contextmanager
def locked(path: Path, operation: int) -> Iterator[None]:
    """Hold a lock on a file, created if need be. With LOCK_NB, raises BlockingIOError if others hold it."""
    with path.open("a") as file:
        fcntl.flock(file, operation)
        yield


def delete_unless_in_use(folder: Path) -> None:
    """Delete a folder unless somebody uses it."""
    with suppress(OSError), locked(folder / IN_USE, fcntl.LOCK_EX | fcntl.LOCK_NB):
        shutil.rmtree(folder, ignore_errors=True)


def _delete_abandoned() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            # A folder created a moment ago may not be locked yet.
            if time.time() - folder.stat().st_mtime > _ABANDONED_SECONDS:
                delete_unless_in_use(folder)
