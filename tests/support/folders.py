"""Folders that are gone after a test run: those of a run that was killed are deleted by a later one."""

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
    """Yield a folder that is in use for the length of the block, together with others that give the same name.

    Whoever leaves it last deletes it.
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
    """Hold a lock on a file, which is created if need be. Raises BlockingIOError when others hold it, with LOCK_NB."""
    with path.open("a") as file:
        fcntl.flock(file, operation)
        yield


def delete_unless_in_use(folder: Path) -> None:
    """Delete a folder, unless somebody is in it."""
    with suppress(OSError), locked(folder / IN_USE, fcntl.LOCK_EX | fcntl.LOCK_NB):
        shutil.rmtree(folder, ignore_errors=True)


def _delete_abandoned() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            # One that was created a moment ago may not be locked yet.
            if time.time() - folder.stat().st_mtime > _ABANDONED_SECONDS:
                delete_unless_in_use(folder)
