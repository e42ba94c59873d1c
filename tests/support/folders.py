"""Folders that disappear after a test run: those of a killed run are deleted by a later one."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import psutil

IN_USE = "in-use"
"""The file on which every user of a folder holds a shared lock."""
_PREFIX = "whopays-tests-"
_ABANDONED_SECONDS = 600.0
_MEMORY = Path("/dev/shm")  # noqa: S108 - nothing here has a name that others could guess
_LARGEST_IN_MEMORY = 6_000_000_000


@contextmanager
def temporary_folder(name: str | None = None, *, in_memory: bool = False) -> Iterator[Path]:
    """Yield a folder that stays in use for the length of the block, shared with others that give the same name.

    The last one to leave deletes it. One `in_memory` is on no disk, if there is room: a file costs a tenth there.
    """
    _delete_abandoned()
    place = _MEMORY if in_memory and _has_room(_MEMORY) else Path(tempfile.gettempdir())
    folder = place / f"{_PREFIX}{name or uuid4().hex}"
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


def _has_room(memory: Path) -> bool:
    if not os.access(memory, os.W_OK):
        return False
    return min(shutil.disk_usage(memory).free, psutil.virtual_memory().available) > _LARGEST_IN_MEMORY


def _delete_abandoned() -> None:
    for folder in (*Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"), *_MEMORY.glob(f"{_PREFIX}*")):
        with suppress(OSError):
            # A folder created a moment ago may not be locked yet.
            if time.time() - folder.stat().st_mtime > _ABANDONED_SECONDS:
                delete_unless_in_use(folder)
